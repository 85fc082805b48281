"""The comparison of all objectives: that it leaves none out, and its table."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import heads
import heads_small
import pytest

from nsface.errors import DataError
from nsface.recipe.schema import load_recipe

ARMS = heads_small.ARMS


@pytest.mark.parametrize("name", ARMS)
def test_arms_are_recipes_with_the_same_batch_size(name: str) -> None:
    recipe = load_recipe(heads_small.RECIPE, ARMS[name])
    assert recipe.batch_size == load_recipe(heads_small.RECIPE).batch_size
    assert recipe.network.embedding_size == load_recipe(heads_small.RECIPE).network.embedding_size


def run(out: Path, arm: str, seed: int, accuracy: float, **changes: Any) -> None:
    """A run folder as it is once it has been scored."""
    folder = out / f"{arm}-4-{seed}"
    folder.mkdir(parents=True)
    recipe = load_recipe(heads_small.RECIPE, ARMS[arm] | {"seed": seed, "epochs": 4, **changes})
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    (folder / "environment.json").write_text('{"identities": 9}')
    lines = [(600, 2.76, 0.1), (668, 3.08, 0.25), (868, 4.0, 0.585)]  # 0.5 in the last epoch
    logged = [dict(zip(("step", "epoch", "accuracy"), line, strict=True)) for line in lines]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in logged))
    rest = {"achieved_far": 0.001, "threshold": 0.5, "impostors": 3000}
    score = {
        "protocol": "lfw",
        "pairs": 6000,
        "genuine": 3000,
        "auc": 0.9,
        "eer": 0.1,
        "accuracy": accuracy,
        "standard_error": 0.004,
        "confidence_interval": [0.8, 0.9],
        "folds": [],
        "similarity": "cosine",
        "tar_at_far": [{"far": 0.001, "tar": 0.2, **rest}, {"far": 0.01, "tar": 0.4, **rest}],
    }
    (folder / "lfw.json").write_text(json.dumps(score))


def test_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed, accuracy in enumerate((0.86, 0.88, 0.87)):
        run(tmp_path, "softmax", seed, accuracy)
    run(tmp_path, "softmax+triplet", 1, 0.85)
    (tmp_path / "arcface-4-0").mkdir()  # not there yet
    times = {"softmax": heads.StepTime(0.19, 0.01), "softmax+triplet": heads.StepTime(0.19, 0.012)}
    monkeypatch.setattr(heads_small, "step_times", lambda *_: times)
    options = Namespace(out=tmp_path, epochs=4)
    recipes = {name: load_recipe(heads_small.RECIPE, settings) for name, settings in ARMS.items()}
    lines = heads_small.table(heads_small.finished(list(ARMS), options), recipes, options).splitlines()
    assert lines[0] == "868 steps; a step with softmax takes 200 ms."
    same = "90.00 | 40.00 | 50.0"
    assert lines[4] == f"| softmax |  | 86.00 ± 0.40 | {same} | +0.00 |"
    parameters = "triplet: weight 1.0; 16 identities × 4"
    assert lines[5] == f"| softmax+triplet | {parameters} | 85.00 ± 0.40 | {same} | +1.00 |"
    assert lines[-1] == "| softmax | 86.00, 88.00, 87.00 | 87.00 ± 1.00 |"


def test_runs_that_differ_in_more_than_their_objective_are_refused(tmp_path: Path) -> None:
    run(tmp_path, "softmax", 0, 0.86)
    run(tmp_path, "arcface", 0, 0.86, **{"optimizer.weight_decay": 0.1})
    with pytest.raises(DataError, match=r"softmax-4-0 and .*arcface-4-0 were trained differently"):
        heads_small.finished(list(ARMS), Namespace(out=tmp_path, epochs=4))


def test_times_of_steps() -> None:
    small = {"network.channels": 8, "network.embedding_size": 4, "batch_size": 2}
    names = ("softmax", "softmax+center", "nah-tanh")
    recipes = {name: load_recipe(heads_small.RECIPE, ARMS[name] | small) for name in names}
    times = heads.step_times(recipes, 5, "cpu", 2)
    assert set(times) == set(names)
    assert times["softmax"].network == times["softmax+center"].network != times["nah-tanh"].network
    assert all(time.losses > 0 for time in times.values())
    assert heads.percent_added(heads.StepTime(3.0, 1.5), heads.StepTime(3.0, 1.0)) == "+12.50"
