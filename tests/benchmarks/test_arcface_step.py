"""The script that compares steps with those of public training code runs, and says what it found."""

from __future__ import annotations

import json
from pathlib import Path

import arcface_step
from click.testing import CliRunner

RECIPE = """
network: {name: light-resnet, embedding_size: 8, channels: 16}
head: {name: softmax}
input: {height: 16, width: 16}
epochs: 1
batch_size: 8
"""


def test_the_script(tmp_path: Path) -> None:
    recipe, found = tmp_path / "recipe.yaml", tmp_path / "found.json"
    recipe.write_text(RECIPE)
    arguments = [str(recipe), "--own", "fp32", "--peer", "fp32", "--head", "cosface", "--json", str(found)]
    quick = ["--identities", "20", "--images", "32", "--seconds", "0.2", "--device", "cpu"]
    outcome = CliRunner().invoke(arcface_step.main, arguments + quick)
    assert outcome.exit_code == 0, outcome.output
    assert "| nsface fp32 |" in outcome.output
    assert "| arcface-style fp32 |" in outcome.output
    (comparison,) = json.loads(found.read_text())["comparisons"]
    assert (comparison["head"], comparison["batch_size"]) == ("cosface", 8)
    medians = [comparison["rates"][way]["median"] for way in ("nsface fp32", "arcface-style fp32")]
    assert comparison["ratios"]["nsface fp32 / arcface-style fp32"] == medians[0] / medians[1]
    assert comparison["errors"] == {}
