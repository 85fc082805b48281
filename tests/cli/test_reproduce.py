"""`nsface reproduce`: a table from the command line, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nsface.reproduce.arms import ARMS
from nsface.reproduce.running import locked
from nsface.run_folder import RunFolder
from tests.reproduce.conftest import images as images  # the fixture
from tests.reproduce.small import SETTINGS

Run = Callable[..., Any]
Reproduce = Callable[..., Any]


@pytest.fixture
def reproduce(nsface: Run, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reproduce:
    """Call `nsface reproduce cifar10` on the small set, with the output in `out`."""
    monkeypatch.chdir(tmp_path)
    settings = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]

    def run(*arguments: object, data: Path = images, out: str = "out") -> Any:
        options = ["--data", data, "--out", out, "--quick", "--jobs", "1", *settings]
        return nsface("reproduce", "cifar10", *options, *arguments)

    return run


def test_the_table_and_its_files(reproduce: Reproduce, nsface: Run, tmp_path: Path) -> None:
    arms = ("--arms", "softmax, noisy-0.1", "--seeds", "0-2")
    done = reproduce(*arms, "--json", "-")
    assert done.status == 0
    assert done.err.count("test error") == 6
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written.pop("command").startswith("nsface reproduce cifar10 --data ")
    assert done.json == written
    assert (tmp_path / "out" / "results.md").exists()

    table = reproduce(*arms)
    assert table.err == "6 of 6 trainings are done already\n"
    assert table.out.startswith("CIFAR-10, quick size\nvgg-cifar with 2 channels at first, 4 features and ")
    assert "Noisy Softmax, α² = 0.1" in table.out
    assert "what this does not show:" in table.out
    assert max(map(len, table.out.splitlines())) <= 100

    listed = nsface("runs", "out", "--json", "-").json
    error = written["arms"]["noisy-0.1"]["error"]
    group = next(one for one in listed["groups"] if one["group"] == "out/noisy-0.1")
    assert group["scores"]["test error"]["values"] == error["by_seed"]
    assert listed["differences"][0]["score"] == "test error"
    assert [one["score"] for one in listed["differences"]] == ["test error"]


ONE_LINE = {
    ("--arms", "softmax,noise"): "--arms noise: no such arm; there are softmax, noisy-1, ",
    ("--arms", "free,free"): "--arms free: given twice; give it once",
    ("--arms", ""): "--arms : no such arm; there are softmax, ",
    ("--set", "head.name=softmax"): "--set head.name: the arms and seeds decide that; leave it out",
    ("--set", "data=elsewhere"): "--set data: it has an option of its own, which is given too",
    ("--set", "task=embedding"): "--set task: the table decides that; leave it out",
    ("--set", "seed=3"): "--set seed: the arms and seeds decide that; leave it out",
    ("--set", "head={name: softmax}"): "--set head: the arms and seeds decide that; leave it out",
    ("--arms", "softmax,tanh", "--set", "network.activation=relu"): (
        "--set network.activation: the arms and seeds decide that; leave it out"
    ),
    ("--set", "network.channels=0"): "given on the command line: network: channels is 0",
    ("--set", "nothing=0"): "given on the command line: nothing",
}


@pytest.mark.parametrize("options", ONE_LINE, ids=" ".join)
def test_bad_input_is_one_line(options: tuple[str, ...], reproduce: Reproduce, tmp_path: Path) -> None:
    refused = reproduce(*options)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith(("nsface: ", "nsface reproduce cifar10: "))
    assert refused.err.partition(": ")[2].startswith(ONE_LINE[options])
    assert refused.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_all_arms_are_named_where_one_is_unknown(reproduce: Reproduce) -> None:
    assert all(arm in reproduce("--arms", "noise").err for arm in ARMS)


def test_a_missing_test_part(reproduce: Reproduce, images: Path, tmp_path: Path) -> None:
    shutil.copytree(images / "train", tmp_path / "images" / "train")
    refused = reproduce(data=tmp_path / "images")
    assert refused.status == 2
    assert "no images in test/" in refused.err
    assert refused.err.count("\n") == 1
    assert not (tmp_path / "out" / "results.json").exists()
    nothing = reproduce(data=tmp_path / "nothing")
    assert (nothing.status, nothing.err.count("\n")) == (2, 1)


def test_folders_that_cannot_be_used(reproduce: Reproduce, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = reproduce(out="file")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "not a folder" in refused.err
    with locked(tmp_path / "out"):
        refused = reproduce()
    assert refused.status == 2
    assert refused.err.startswith("nsface: out: another process is training a table in this folder; wait")
    with RunFolder(tmp_path / "out" / "softmax-seed0").locked():
        refused = reproduce()
    assert refused.status == 2
    assert refused.err.startswith(
        "nsface: softmax, seed 0: out/softmax-seed0: another process is training in"
    )


def test_another_size_in_the_same_folder_is_refused(reproduce: Reproduce, tmp_path: Path) -> None:
    small = ("--arms", "softmax", "--seeds", "0")
    assert reproduce(*small).status == 0
    before = (tmp_path / "out" / "results.json").read_bytes()
    refused = reproduce(*small, "--set", "network.embedding_size=8")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert refused.err.startswith("nsface: out/softmax-seed0/recipe.yaml differs from the recipe given in")
    assert (tmp_path / "out" / "results.json").read_bytes() == before
