"""Help, completion, suggestions, --quiet and --verbose: the same for every command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from nsface.cli import COMMANDS, LazyGroup, group
from nsface.embeddings import load
from nsface.synthetic import write_training_set

Run = Callable[..., Any]


def command(name: str) -> click.Command:
    assert isinstance(group, LazyGroup)
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


def run(
    *arguments: str, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "nsface", *arguments],
        env=os.environ | environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_that_parses_and_says_every_default(name: str) -> None:
    found = command(name)
    assert found.help is not None
    assert "Example" in found.help, "an example says more than a list of options"
    assert f"nsface {name}" in found.help.split("Example")[1]
    for parameter in found.params:
        if not isinstance(parameter, click.Option):
            continue
        assert parameter.help, f"{parameter.opts}: no help"
        default = parameter.to_info_dict()["default"]
        if default is not None and not parameter.is_flag and not parameter.multiple:
            assert parameter.show_default, f"{parameter.opts}: its default {default} is not shown"


def test_one_name_is_one_kind_of_value() -> None:
    """--device is the same choice everywhere, --json the same file, --seed the same number."""
    kinds: dict[str, set[tuple[str, ...]]] = {}
    for name in COMMANDS:
        for parameter in command(name).params:
            if isinstance(parameter, click.Option):
                kind = parameter.type
                values = tuple(kind.choices) if isinstance(kind, click.Choice) else (kind.name,)
                kinds.setdefault(parameter.opts[-1], set()).add(values)
    text = {"text", "path"}
    mixed = {
        name: values
        for name, values in kinds.items()
        if len({("path",) if set(v) <= text else ("number",) if "integer" in v[0] else v for v in values}) > 1
    }
    del mixed["--threshold"]  # a file of `calibrate`, for `overlap` a score, and for decisions either
    del mixed["--sort"]  # of `overlap` one of two orders, of `runs` any column of its table
    del mixed["--precision"]  # TF32 is for trainings alone
    assert mixed == {}


def test_without_arguments_it_helps() -> None:
    alone, asked = run(), run("--help")
    assert (alone.returncode, alone.stdout) == (2, "")
    assert alone.stderr.strip() == asked.stdout.strip()
    assert asked.stdout.count("\n") > 20


@pytest.mark.parametrize("arguments", ["--help", "doctor --help --quiet"])
def test_a_reader_that_has_had_enough_is_no_error(arguments: str) -> None:
    line = f"set -o pipefail; {sys.executable} -m nsface {arguments} | true"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_standard_output_on_a_full_disk() -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "nsface", "--version"], stdout=full, stderr=subprocess.PIPE, timeout=120
        )
    assert ended.returncode == 2
    assert ended.stderr == b"nsface: cannot write: no space left on device\n"


def test_mistyped_commands_and_options(nsface: Run) -> None:
    for arguments, wanted in (
        (("eval-lwf",), "did you mean 'eval-lfw'?"),
        (("eval-lfw", "--pears", "x"), "--pairs"),
        (("train", "--epoch", "3"), "--epochs"),
        (("doctor", "--jsn", "-"), "--json"),
    ):
        outcome = nsface(*arguments)
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert wanted in outcome.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, warm_python: str) -> None:
    script = run(python=warm_python, _NSFACE_COMPLETE=f"{shell}_source")
    assert script.returncode == 0
    assert f"_NSFACE_COMPLETE={shell}_complete" in script.stdout

    def completed(words: str, place: int) -> str:
        # bash and zsh give all the words and the place of the present one; fish gives the present one itself
        here = {"COMP_WORDS": words, "COMP_CWORD": words.split()[-1] if shell == "fish" else str(place)}
        return run(python=warm_python, _NSFACE_COMPLETE=f"{shell}_complete", **here).stdout

    commands = completed("nsface eval-", 1)
    assert set(re.findall(r"eval-\w+", commands)) == {name for name in COMMANDS if name.startswith("eval-")}
    assert "--pairs" in completed("nsface eval-lfw --pa", 2)
    assert "noisy" not in completed("nsface eval-", 1)


def test_completing_a_command_imports_none_of_them() -> None:
    code = (
        "import sys, os\n"
        "from nsface.cli import group\n"
        "import click\n"
        "found = group.shell_complete(click.Context(group), 'e')\n"
        "assert len(found) > 5\n"
        "assert not {'numpy', 'nsface.cli.extract'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("command", ["align", "inspect", "overlap", "pack", "report", "train"])
def test_help_of_a_command_imports_no_numpy(command: str) -> None:
    code = (
        "import sys\n"
        "from nsface.cli import group\n"
        f"group.main(['{command}', '--help'], standalone_mode=False)\n"
        "assert not {'numpy', 'torch', 'pydantic'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_quiet_and_verbose_anywhere(nsface: Run, tmp_path: Path) -> None:
    def synth(name: str, *options: str) -> Any:
        small = ("--identities", 2, "--images-each", 1, "--lfw-pairs", 0, "--ytf-pairs", 0, "--workers", 1)
        return nsface(*options[:1], "synth", tmp_path / name, *small, *options[1:])

    assert synth("plain").err == f"{tmp_path / 'plain'}: written\n"
    assert synth("before", "--quiet").err == ""
    verbose = synth("after", "--debug", "--verbose")
    assert re.fullmatch(r".*: written\nnsface: [\d.]+ s, at most [\d.]+ GiB .*\n", verbose.err)
    assert (verbose.status, len(list((tmp_path / "after").rglob("*.jpg")))) == (0, 2)


def test_errors_are_shown_even_when_quiet(nsface: Run) -> None:
    outcome = nsface("eval-lfw", "--quiet", "none.npz", "--pairs", "none.txt")
    assert outcome.status == 2
    assert "none.txt" in outcome.err


def test_quiet_hides_notes_and_keeps_results(warm_python: str, tmp_path: Path) -> None:
    write_training_set(tmp_path / "faces", 2, 2)
    options = ("--head", "softmax", "--data", str(tmp_path / "faces"), "--epochs", "1", "--batch-size", "4")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("network: {name: light-resnet, channels: 8}\nhead: {name: softmax}\nepochs: 1\n")
    out = ("--out", str(tmp_path / "run"))
    trained = run("train", str(recipe), *options, *out, "--quiet", python=warm_python)
    assert (trained.returncode, trained.stderr) == (0, "")
    assert trained.stdout == f"{tmp_path / 'run' / 'model.safetensors'}\n"
    words = ("extract", trained.stdout.strip(), str(tmp_path / "faces"), "-o", str(tmp_path / "e.npz"))
    extracted = run(*words, python=warm_python)
    assert "4 embeddings" in extracted.stderr
    assert "%|" not in extracted.stderr, "no progress bar where nobody watches"
    assert len(load(tmp_path / "e.npz").names) == 4


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}])
def test_no_colour_anywhere(environment: dict[str, str], warm_python: str) -> None:
    for arguments in (("--help",), ("eval-lfw", "--help"), ("train", "nowhere.yaml")):
        done = run(*arguments, python=warm_python, **environment)
        assert "\x1b" not in done.stdout + done.stderr


def test_help_fits_the_terminal(warm_python: str) -> None:
    for width in (60, 80, 200):
        for arguments in (("--help",), ("eval-ident", "--help"), ("demo", "--help")):
            shown = run(*arguments, python=warm_python, COLUMNS=str(width)).stdout
            longest = max(map(len, shown.splitlines()))
            assert longest <= 100, "no line is longer than can be read"


def test_version() -> None:
    assert re.fullmatch(r"nsface \d+\.\d+\.\d+\n", run("--version").stdout)
