"""A run of another length: where the schedule allows it, and why not where it does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nsface.errors import RecipeError
from nsface.recipe.schema import Recipe
from nsface.training import run as run_module
from nsface.training.run import train

Small = Callable[..., Recipe]
Logged = Callable[[Path], list[dict[str, float]]]


def test_a_finished_run_goes_on_to_the_bits_of_a_longer_one(
    small: Small, tmp_path: Path, logged: Logged
) -> None:
    whole = train(small(epochs=4), tmp_path / "whole")
    out = tmp_path / "run"
    train(small(epochs=2), out)
    longer = load_file(train(small(epochs=4), out, resume=True))
    expected = load_file(whole)
    assert all(torch.equal(longer[name], expected[name]) for name in expected)
    steps = [line["step"] for line in logged(out)]
    assert steps == sorted(set(steps))
    assert steps[-1] == 20
    again = (out / "model.safetensors").stat().st_mtime_ns
    train(small(epochs=4), out, resume=True)
    assert (out / "model.safetensors").stat().st_mtime_ns == again, "finished again"


def test_killed_while_it_becomes_longer_it_goes_on(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shorter run's model is there until the longer one's is, and is not taken for it."""
    out = tmp_path / "run"
    before = train(small(epochs=2), out).read_bytes()

    def killed(*_: Any) -> None:
        raise SystemError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(run_module, "save_model", killed)
        with pytest.raises(SystemError):
            train(small(epochs=3), out, resume=True)
    assert (out / "model.safetensors").read_bytes() == before
    assert train(small(epochs=3), out, resume=True).read_bytes() != before


@pytest.mark.parametrize(
    ("settings", "changes", "why"),
    [
        ({"schedule": {"kind": "cosine"}}, {"epochs": 3}, "a cosine schedule falls to 0 at the end of"),
        ({"schedule": {"kind": "poly"}}, {"epochs": 3}, "a poly schedule falls to 0 at the end of"),
        ({}, {"epochs": None, "iterations": 20}, "one counts epochs, the other iterations"),
        (
            {"schedule": {"kind": "cosine", "warmup": 0.5}},
            {"epochs": 3, "schedule": {"kind": "cosine", "warmup": 0.75}},
            "a cosine schedule falls to 0 at the end of",
        ),
        (
            {"schedule": {"kind": "step", "milestones": [1]}},
            {"epochs": 4, "schedule": {"kind": "step", "milestones": [2]}},
            "with another schedule the steps done would have had other rates",
        ),
        (
            {"head": {"name": "noisy-softmax", "alpha_schedule": "cosine"}},
            {"epochs": 3},
            "head.alpha_schedule follows the share of the run",
        ),
        (
            {"head": {"name": "gradient-decay", "warmup": 0.5}},
            {"epochs": 3},
            "head.warmup follows the share of the run",
        ),
    ],
)
def test_why_not(
    small: Small, tmp_path: Path, settings: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    train(small(**{"epochs": 2, **settings}), tmp_path / "run")
    with pytest.raises(RecipeError, match=f"{why}.*; .*--changed to go on with these on purpose"):
        train(small(**{"epochs": 2, **settings, **changes}), tmp_path / "run", resume=True)


def test_on_purpose_a_cosine_run_goes_on(small: Small, tmp_path: Path, logged: Logged) -> None:
    cosine = {"schedule": {"kind": "cosine"}}
    train(small(epochs=2, **cosine), tmp_path / "run")
    train(small(epochs=3, **cosine), tmp_path / "run", resume=True, changed=True)
    assert logged(tmp_path / "run")[-1]["step"] == 15


def test_data_are_known_by_what_they_are(
    small: Small, sixty_faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run, finished or not, accepts the same images under another path, and others under none."""
    out = tmp_path / "run"
    model = train(small(epochs=2), out).read_bytes()
    shutil.copytree(sixty_faces, tmp_path / "copy")
    (tmp_path / "link").symlink_to(sixty_faces)
    relative = os.path.relpath(sixty_faces)
    for spelled in (relative, f"{sixty_faces}/", f"{sixty_faces.parent}/./{sixty_faces.name}"):
        assert train(small(epochs=2, data=spelled), out, resume=True).read_bytes() == model
    for path in (tmp_path / "copy", tmp_path / "link"):
        (out / "model.safetensors").unlink(missing_ok=True)
        resumed = train(small(epochs=2, data=str(path)), out, resume=True)
        assert resumed.read_bytes() == model
    next((tmp_path / "copy").rglob("*.jpg")).unlink()
    with pytest.raises(RecipeError, match="the training images are not those the run began with"):
        train(small(epochs=2, data=str(tmp_path / "copy")), out, resume=True)
    (out / "model.safetensors").unlink()
    with pytest.raises(RecipeError, match="the training images are not those the run began with"):
        train(small(epochs=2, data=str(tmp_path / "copy")), out, resume=True)
