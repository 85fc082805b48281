"""`nsface train --seeds`: which seeds, what is printed, and where runs are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from nsface.cli.seeds import parsed_seeds
from nsface.synthetic import write_training_set

Run = Callable[..., Any]
RECIPE = """\
network: {name: light-resnet, embedding_size: 8, channels: 8}
head: {name: softmax}
iterations: 2
batch_size: 8
log_every: 1
device: cpu
precision: fp32
"""


def parsed(text: str) -> Any:
    return parsed_seeds(click.Context(click.Command("x")), click.Option(["--seeds"]), text)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0-4", (0, 1, 2, 3, 4)),
        ("0,3,7", (0, 3, 7)),
        ("5", (5,)),
        ("7, 0-2", (7, 0, 1, 2)),
        ("3-3", (3,)),
        (f"{2**63 - 1}", (2**63 - 1,)),
    ],
)
def test_lists_and_ranges(text: str, seeds: tuple[int, ...]) -> None:
    assert parsed(text) == seeds


@pytest.mark.parametrize(
    "text",
    ["", "4-0", "a", "-1", "1,", "0-3,2", "1.5", "0-1000", "0-999,2000", f"{2**63}", "0--1", "٣", "1 2"],
)
def test_what_is_no_list_of_seeds(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parsed(text)


def test_seeds_are_trained_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nsface: Run) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    write_training_set("train", identities=3, images=4)
    Path("r.yaml").write_text(RECIPE)
    outcome = nsface("train", "r.yaml", "--data", "train", "--seeds", "0,4")
    assert outcome.status == 0
    paths = [f"runs/r-softmax-seed{seed}/model.safetensors" for seed in (0, 4)]
    assert outcome.out.splitlines() == paths
    assert "seed 4 (2 of 2): runs/r-softmax-seed4" in outcome.err
    assert re.search(r"^runs/r-softmax-seed4 +4 +2 +[\d.]+ +[\d.]+ +\d s ", outcome.err, re.MULTILINE)
    assert re.search(r"^runs/r-softmax +2 +[\d.]+ ± [\d.]+ +[\d.]+ ± [\d.]+$", outcome.err, re.MULTILINE)

    again = nsface("train", "r.yaml", "--data", "train", "--seeds", "4,5", "--out", "all", "--quiet")
    assert (again.out.splitlines(), again.err) == ([f"all/seed{n}/model.safetensors" for n in (4, 5)], "")
    assert Path(again.out.split()[0]).read_bytes() == Path(paths[1]).read_bytes()

    for options, said in {
        ("--seeds", "1-2", "--seed", "3"): "nsface train: give --seed or --seeds, not both",
        ("--seeds", "1-2", "--set", "seed=3"): "nsface train: give --set seed=N or --seeds, not both",
        ("--seeds", "1-2", "--out", "all/seed4"): "nsface: all/seed4 is the folder of one run; with --seeds",
        ("--seeds", "4-6", "--out", "all"): "nsface: all/seed4 holds a run already; give --resume",
    }.items():
        outcome = nsface("train", "r.yaml", "--data", "train", *options)
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert outcome.err.startswith(said)
    assert not Path("all/seed6").exists()
