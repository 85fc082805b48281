"""What the tests of tables share: settings of tiny trainings, and outcomes that nobody has trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsface.reproduce.arms import ARMS
from nsface.reproduce.outcomes import Outcome, Reproduction
from nsface.reproduce.tables import TABLES, ScaleName

SETTINGS: dict[str, Any] = {
    "input.height": 16,
    "input.width": 16,
    "network.channels": 2,
    "network.embedding_size": 4,
    "iterations": 4,
    "batch_size": 8,
    "log_every": 1,
    "device": "cpu",
    "precision": "fp32",
}


def recipe_of(head: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """What size and differences are computed from."""
    recipe = {
        "data": "images", "seed": 0, "network": {"name": "vgg-cifar", "embedding_size": 64, "channels": 8},
        "head": dict(head), "optimizer": {"learning_rate": 0.1}, "iterations": 1000, "epochs": None,
        "schedule": {"kind": "step", "milestones": [500.0, 750.0], "factor": 0.1}, "batch_size": 128,
        "augmentation": {"shift": 0},
    }  # fmt: skip
    return recipe | changes


def outcome(arm: str, seed: int, error: float, *, best: float | None = None, points: int = 4) -> Outcome:
    """A training that ended with `error`, after tests and lines of the log that went down to it."""
    measures = {"error": error, "best_error": error if best is None else best}
    measures |= {"loss": 0.5, "ece": 0.05, "mce": 0.2, "probability": 0.8, "saturated": 0.3}
    steps = [250 * (number + 1) for number in range(points)]
    log, tests = [], []
    for place, step in enumerate(steps, 1):
        now = error + 0.1 * (points - place)
        shared = {"step": step, "probability": 1 - now, "saturated": place / 10, "loss": now}
        log.append({**shared, "accuracy": 1 - now / 2, "gradient": now})
        tests.append({**shared, "error": now})
    return Outcome(arm, seed, f"{arm}-seed{seed}", measures, 61.0, log, tests)


def made(
    outcomes: Sequence[Outcome],
    *,
    name: str = "cifar10",
    scale: ScaleName = "quick",
    expected: int | None = None,
    **changes: Any,
) -> Reproduction:
    """A table with these outcomes."""
    heads = {
        arm: {key[5:]: value for key, value in ARMS[arm].changes.items() if key.startswith("head.")}
        for arm in dict.fromkeys(one.arm for one in outcomes)
    }
    full = recipe_of({"name": "softmax", "bias": True}, iterations=10_000)
    full["schedule"] = {"kind": "step", "milestones": [5000.0, 7500.0], "factor": 0.1}
    full["network"] = {"name": "vgg-cifar", "embedding_size": 512, "channels": 64}
    environment = {"images": 50_000, "test_images": 10_000, "parameters": 75_608, "device": "cpu"}
    return Reproduction(
        name,
        TABLES[name],
        scale,
        {arm: recipe_of(head, **changes) for arm, head in heads.items()},
        full,
        outcomes,
        len(outcomes) if expected is None else expected,
        environment,
    )
