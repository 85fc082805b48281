"""One recipe trained with several seeds in turn: the bits of single runs, images decoded once, resuming."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nsface.errors import NsfaceError, RecipeError
from nsface.images.sources import open_source
from nsface.ranks import ALONE
from nsface.recipe.schema import Recipe
from nsface.training import data, series
from nsface.training.kept import Kept
from nsface.training.loop import Interrupted
from nsface.training.run import train
from nsface.training.series import train_seeds
from nsface.training.trainer import Diverged, Trainer

Small = Callable[..., Recipe]
SHORT: dict[str, Any] = {"epochs": None, "iterations": 4, "schedule": {}, "batch_size": 8, "log_every": 1}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images of each decoding."""
    counts: list[int] = []

    def counted(recipe: Recipe, source: Any, chosen: list[int], *rest: Any) -> Any:
        counts.append(len(chosen))
        return data.decoded(recipe, source, chosen, *rest)

    monkeypatch.setattr("nsface.training.kept.decoded", counted)
    return counts


def signalled(monkeypatch: pytest.MonkeyPatch, seed: int, step: int) -> None:
    """Let SIGINT come during this step of the run with this seed."""
    original = Trainer._train_step

    def stepping(self: Trainer, *arguments: Any, **options: Any) -> Any:
        result = original(self, *arguments, **options)
        if (self.recipe.seed, self.step) == (seed, step):
            os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(Trainer, "_train_step", stepping)


def test_a_series_interrupted_and_resumed_ends_with_the_bits_of_single_runs(
    small: Small, tmp_path: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [(small(**SHORT, seed=seed), tmp_path / "all" / f"seed{seed}") for seed in (7, 2, 5)]
    made: list[Path] = []
    notes: list[str] = []
    with monkeypatch.context() as patched:
        signalled(patched, seed=2, step=2)
        with pytest.raises(Interrupted, match=r"seed 2 \(2 of 3\): stopped after step 2 of 4; go on with"):
            train_seeds(runs, made=made.append, note=notes.append)
    assert made == [runs[0][1] / "model.safetensors"]
    assert decoded == [60], "once for both"
    assert [line for line in notes if line.startswith("seed")] == [
        f"seed {recipe.seed} ({number} of 3): {folder}" for number, (recipe, folder) in enumerate(runs[:2], 1)
    ]
    stamp = made[0].stat().st_mtime_ns
    train_seeds(runs, made=made.append, resume=True)
    assert made[1:] == [folder / "model.safetensors" for _, folder in runs]
    assert made[0].stat().st_mtime_ns == stamp, "what is complete is left as it is"
    assert decoded == [60, 60]
    for recipe, folder in runs[1:]:
        alone = train(recipe, tmp_path / f"alone{recipe.seed}")
        assert alone.read_bytes() == (folder / "model.safetensors").read_bytes()
        assert (alone.parent / "recipe.yaml").read_text() == (folder / "recipe.yaml").read_text()


def test_a_signal_in_the_last_step_of_a_run_stops_the_series_after_it(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [(small(**SHORT, seed=seed), tmp_path / str(seed)) for seed in (0, 1)]
    made: list[Path] = []
    with monkeypatch.context() as patched:
        signalled(patched, seed=0, step=4)
        with pytest.raises(
            Interrupted, match=r"stopped after seed 0 \(1 of 2\); go on with the same command"
        ):
            train_seeds(runs, made=made.append)
    assert made == [tmp_path / "0" / "model.safetensors"]
    assert not (tmp_path / "1").exists()


def test_a_seed_that_diverges_is_recorded_and_the_others_are_trained(small: Small, tmp_path: Path) -> None:
    runs = [(small(**SHORT, seed=seed), tmp_path / str(seed)) for seed in (0, 1)]
    bad = runs[0][0].model_copy(update={"optimizer": {"learning_rate": 1e25}})
    runs[0] = (Recipe.model_validate(bad.model_dump(warnings=False)), runs[0][1])
    made: list[Path] = []
    notes: list[str] = []
    with pytest.raises(
        Diverged, match=r"1 of 2 seeds diverged: 0, as their .*train all seeds again in another"
    ):
        train_seeds(runs, made=made.append, note=notes.append)
    assert made == [tmp_path / "1" / "model.safetensors"]
    recorded = json.loads((tmp_path / "0" / "environment.json").read_text())["diverged"]
    assert f"seed 0 (1 of 2) diverged: {recorded}" in notes

    notes.clear()
    with pytest.raises(Diverged, match="1 of 2 seeds diverged: 0"):
        train_seeds(runs, resume=True, note=notes.append)
    assert notes[0] == f"seed 0 (1 of 2): diverged before, in {tmp_path / '0'}"
    train_seeds([(small(**SHORT, seed=0), runs[0][1])], resume=True, changed=True)
    assert "diverged" not in json.loads((tmp_path / "0" / "environment.json").read_text())


def test_folders_that_cannot_be_used_are_refused_before_anything_is_trained(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small(**SHORT)
    last = tmp_path / "1"
    last.mkdir()
    (last / "recipe.yaml").write_text(recipe.to_yaml())
    runs = [(recipe, tmp_path / "0"), (recipe.model_copy(update={"seed": 1}), last)]
    monkeypatch.setattr(series, "train", lambda *_, **__: pytest.fail("a training began"))
    with pytest.raises(NsfaceError, match="1 holds a run already; give --resume"):
        train_seeds(runs)
    with pytest.raises(RecipeError, match="differs from the recipe given in seed"):
        train_seeds(runs, resume=True)


def test_other_images_are_decoded_anew(small: Small, decoded: list[int], tmp_path: Path) -> None:
    kept = Kept()
    several: list[dict[str, Any]] = [{}, {"seed": 1}, {"exclude": ["0000002"]}, {}]
    for number, changes in enumerate(several):
        train(small(**SHORT | {"iterations": 1}, **changes), tmp_path / str(number), kept=kept)
    assert decoded == [60, 45, 60]


def test_validation_sets_are_kept_but_where_the_seed_chooses_who_is_held_out(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    monkeypatch.setattr("nsface.training.kept.validation_sets", lambda recipe, *_: read.append(recipe.seed))
    listed, held_out = {"images": "lfw", "pairs": "pairs.txt"}, {"held_out": 4}
    kept = Kept()
    for validate in (listed, held_out, listed):
        for seed in (0, 1, 1):
            kept.validation_sets(small(validate=[validate], seed=seed), open_source(str(small().data)), ALONE)
    assert read == [0, 0, 1, 0]
