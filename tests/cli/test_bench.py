"""`nsface bench train`: each combination is a row, and one that fails too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import torch

from nsface.benchmark import grid, speed
from nsface.benchmark.apart import Failed, one_line
from nsface.benchmark.roofline import Roofline, arithmetic_of
from nsface.benchmark.speed import PARTS, Measurement, Setting, measure
from nsface.cli.bench import train

Run = Callable[..., Any]
RECIPE = "network: {name: light-resnet, embedding_size: 8, channels: 16}\nhead: {name: softmax}\nepochs: 1\n"


def here(function: Callable[[Setting], Measurement], setting: Setting) -> Measurement:
    """As `apart`, but in this process, which starts at once."""
    try:
        return function(setting)
    except Exception as error:
        raise Failed(one_line(error)) from error


def roofline_at_once(device: torch.device, dtype: torch.dtype, allowed: bool) -> Roofline:
    return Roofline(arithmetic_of(device, dtype), None, 1.0, 1.0, 1.0)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(grid, "apart", here)
    monkeypatch.setattr(speed, "roofline_of", roofline_at_once)
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


QUICK = ("--device", "cpu", "--seconds", "0.05", "--images", "16", "--size", "17x16", "--identities", "5")


def test_every_combination_is_measured_and_a_failure_leaves_the_others(
    nsface: Run, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(setting: Setting) -> Measurement:
        if setting.recipe.batch_size == 8:
            raise MemoryError("not enough\nof it")
        return measure(setting)

    monkeypatch.setattr(grid, "measure", lacking)
    found = tmp_path / "speed.json"
    options = ("--precision", "fp32,bf16", "--batch-size", "4, 8", "--head", "arcface", "--json", str(found))
    outcome = nsface("bench", "train", str(recipe), *QUICK, *options)
    assert outcome.status == 0, outcome
    assert "light-resnet 17×16 arcface fp32 8: MemoryError: not enough" in outcome.out
    assert "20 epochs of 490,623 images; not a run" in outcome.out
    assert outcome.err.count("images/s\n") == 2
    result = json.loads(found.read_text())
    assert result["command"].startswith("nsface bench train")
    assert {"torch", "processor", "cores", "threads", "python", "nsface"} <= result.keys()
    rows = {(cell["precision"], cell["batch_size"]): cell for cell in result["cells"]}
    assert list(rows) == [("fp32", 4), ("fp32", 8), ("bf16", 4), ("bf16", 8)]
    assert rows["bf16", 8]["error"] == "MemoryError: not enough"
    for precision in ("fp32", "bf16"):
        cell = rows[precision, 4]
        assert (cell["network"], cell["head"], cell["height"], cell["width"]) == (
            "light-resnet", "arcface", 17, 16,
        )  # fmt: skip
        assert cell["roofline"]["arithmetic"] == precision
        assert set(cell["parts"]) == set(PARTS)
        assert cell["images_per_second"]["median"] > 0
        assert cell["peak_memory"] > cell["pixels"]


def test_if_nothing_could_be_measured_the_status_says_so(
    nsface: Run, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(setting: Setting) -> Measurement:
        raise MemoryError

    monkeypatch.setattr(grid, "measure", lacking)
    outcome = nsface("bench", "train", str(recipe), *QUICK, "--batch-size", "4")
    assert outcome.status == 1
    assert "MemoryError" in outcome.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--size", "112"), "HEIGHTxWIDTH"),
        (("--images", "7", "--batch-size", "7,8"), "7 images are fewer than a batch of 8"),
        (("--batch-size", "4,none"), "'none' is not a valid integer"),
        (("--precision", "fp32,fp64"), "'fp64' is not one of"),
        (("--network", "sphereface-21"), "sphereface-20"),
        (("--seconds", "nan"), "not a number"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_measured(
    nsface: Run, recipe: Path, options: tuple[str, ...], message: str
) -> None:
    outcome = nsface("bench", "train", str(recipe), *options)
    assert outcome.status == 2
    assert message in outcome.err
    assert outcome.out == ""


def test_the_help_has_examples_and_a_meaning_for_every_option() -> None:
    assert train.help is not None
    assert "nsface bench train" in train.help.split("Example")[1]
    assert all(parameter.help for parameter in train.params if isinstance(parameter, click.Option))
