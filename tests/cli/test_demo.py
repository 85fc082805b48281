"""`nsface demo`: interrupted, killed, resumed, and its printed commands repeated, in real processes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from nsface.cli import COMMANDS, LazyGroup, demo, group, main
from nsface.cli.demo_plan import Lists, Stage, plan, rendered_sets
from nsface.errors import NsfaceError
from nsface.synthetic import write_lfw_set, write_training_set, write_ytf_set

Run = Callable[..., Any]
RECIPE = """\
network: {name: light-resnet, embedding_size: 16, channels: 8}
head: {name: softmax}
optimizer: {learning_rate: 0.1}
epochs: 20
batch_size: 16
log_every: 1
device: cpu
precision: fp32
"""
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
LFW = "--out demo --faces 'my faces' --lfw lfw --pairs pairs.txt --recipe recipe.yaml"
EVERYTHING = (
    "--out all --faces 'my faces' --lfw lfw --pairs pairs.txt --people people.txt --subjects subjects.txt "
    "--look-alikes pair_FGLFW.txt --ytf ytf --splits splits.txt --recipe recipe.yaml"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("größe mit abstand")
    write_training_set(folder / "my faces", identities=8, images=8)
    made = write_lfw_set(folder, folds=10, pairs=2)
    write_ytf_set(folder, folds=2, pairs=4, frames=2, familiar=made.familiar)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=ENVIRONMENT, text=True, capture_output=True, timeout=300
    )


def begun(place: Path, head: str) -> subprocess.Popen[str]:
    """A demo as a user starts it, when its training with `head` has done a step."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec nsface demo {LFW}"],
        cwd=place,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        # where the tests run in the background of a shell, what they start would not hear of Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    log = place / "demo" / head / "log.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and log.stat().st_size):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def steps(place: Path, head: str) -> list[int]:
    lines = (place / "demo" / head / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def test_interrupted_killed_resumed_repeated(place: Path) -> None:
    process = begun(place, "softmax")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == (
        f"nsface demo: interrupted in 'train with Softmax'; go on with: nsface demo {LFW}"
    )
    assert 0 < len(steps(place, "softmax")) < 80
    assert (place / "demo/softmax/checkpoints/latest.pt").exists(), "the training saved its state"

    process = begun(place, "noisy-softmax")
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
    assert len(steps(place, "noisy-softmax")) < 80
    assert steps(place, "softmax") == list(range(1, 81)), "the training went on where it was stopped"

    done = shell(f"nsface demo {LFW}", place)
    assert done.returncode == 0, done.stderr
    assert steps(place, "noisy-softmax") == list(range(1, 81))
    assert not [path for path in (place / "demo").rglob(".*") if path.is_file()]
    assert done.stdout.splitlines()[-1] == "report: demo/report.html"
    scores = json.loads((place / "demo/noisy-softmax/lfw.json").read_text())
    assert f"{100 * scores['accuracy']:.2f} ± " in done.stdout

    printed = [line.strip() for line in done.stderr.splitlines() if line.startswith("  nsface ")]
    stages = re.findall(r"^\[ *\d+/\d+\]", done.stderr, re.M)
    assert len(printed) + 2 == len(stages) == 9, "the first two were done before"
    assert any("'my faces'" in line for line in printed), "names with spaces are quoted"
    before = (place / "demo/softmax/lfw.json").read_text()
    (place / "demo/softmax/lfw.json").unlink()
    repeated = shell(next(line for line in printed if "eval-lfw" in line and "/softmax/" in line), place)
    assert repeated.returncode == 0, repeated.stderr
    assert (place / "demo/softmax/lfw.json").read_text() == before

    check_repetition(place)


def check_repetition(place: Path) -> None:
    """A complete demo does nothing again, and other options are refused in its folder."""
    again = shell(f"nsface demo {LFW} --verbose", place)
    assert again.returncode == 0
    assert again.stderr.count("done before") == 9
    assert "GiB" in again.stderr
    other = shell(f"nsface demo {LFW} --seed 3", place)
    assert (other.returncode, other.stdout) == (2, "")
    assert "other options" in other.stderr


def test_all_protocols(nsface: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stages are called in this process."""

    def call(arguments: list[str], _: int) -> int:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        return int(end.value.code or 0)

    monkeypatch.chdir(place)
    monkeypatch.setattr(demo, "_call", call)
    done = nsface("demo", *shlex.split(EVERYTHING), "--epochs", 1)
    assert done.status == 0, done.err
    assert len(re.findall(r"^\[ *\d+/20\]", done.err, re.M)) == 20
    page = (place / "all/report.html").read_text()
    for protocol in (
        "LFW verification",
        "FGLFW-like look-alikes",
        "YouTube Faces",
        "LFW identification",
        "Comparison",
    ):
        assert f">{protocol}" in page
    assert '<th scope="row">images</th><td class="words">64 (folder)</td>' in page, "checks of the data"
    for protocol in ("lfw", "fglfw", "ytf"):
        scores = json.loads((place / f"all/noisy-softmax/{protocol}.json").read_text())
        assert f"{100 * scores['accuracy']:.2f} ± " in done.out


def test_two_demos_in_one_folder(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo.json").write_text("[]")
    monkeypatch.setattr(demo, "PATIENCE", 0.3)
    with (
        demo._locked(tmp_path / "demo.json"),
        pytest.raises(NsfaceError, match="another demo is running"),
        demo._locked(tmp_path / "demo.json"),
    ):
        pass


def test_a_failing_stage_ends_the_demo_with_its_status(place: Path) -> None:
    failed = shell(
        "nsface demo --out bad --faces nowhere --lfw lfw --pairs pairs.txt --recipe recipe.yaml", place
    )
    assert failed.returncode == 2
    *_, error, last = failed.stderr.splitlines()
    assert "nowhere: no such file or folder" in error
    assert last.startswith("nsface demo: failed in 'inspect the training set'")


def test_rendered_plan_is_made_of_commands_that_parse(tmp_path: Path) -> None:
    faces, lists, rendering = rendered_sets(tmp_path / "faces", 150, 7)
    stages = plan(tmp_path, faces, lists, "r.yaml", ["--seed", "7"], rendering)
    assert [stage.arguments[0] for stage in stages[:4]] == ["synth", "inspect", "train", "train"]
    for stage in stages:
        parse(stage)
    assert len({stage.output for stage in stages}) == len(stages) == 24
    heads = [stage.arguments[stage.arguments.index("--head") + 1] for stage in stages[2:4]]
    softmax, noisy = (" ".join(stage.arguments) for stage in stages[2:4])
    assert softmax.replace(heads[0], heads[1]) == noisy, "the two trainings differ in the head alone"


def test_protocols_without_lists_are_left_out(tmp_path: Path) -> None:
    stages = plan(tmp_path, "faces", Lists("lfw.tar", Path("pairs.txt")), "r.yaml", [])
    kinds = [stage.arguments[0] for stage in stages]
    assert kinds == ["inspect"] + ["train"] * 2 + ["extract"] * 2 + ["eval-lfw"] * 2 + ["compare", "report"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--faces a", "--faces and --lfw go together"),
        ("--faces a --lfw b", "--lfw needs --pairs"),
        ("--pairs a", "--pairs is for --faces and --lfw"),
        ("--faces a --lfw b --pairs c --people d", "--people and --subjects go together"),
        ("--faces a --lfw b --pairs c --splits d", "--ytf and --splits go together"),
        ("--out file/below", "choose another --out"),
    ],
)
def test_options_that_do_not_fit(
    nsface: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    outcome = nsface("demo", *options.split())
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert message in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def parse(stage: Stage) -> None:
    """Raise a click error where the arguments are not those of the command."""
    name, *arguments = stage.arguments
    assert name in COMMANDS
    assert isinstance(group, LazyGroup)
    command = group.get_command(click.Context(group), name)
    assert command is not None
    for argument in arguments:
        if argument.endswith((".json", ".txt", ".png")):  # which the stages before have made room for
            Path(argument).parent.mkdir(parents=True, exist_ok=True)
    command.make_context(name, shlex.split(shlex.join(arguments)))
