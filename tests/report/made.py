"""Runs and results made up for the tests of the report: every number is given by the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nsface.report.runs import Run
from nsface.results import (
    BlufrRates,
    Identification,
    IdentificationComparison,
    Verification,
    VerificationComparison,
)
from nsface.results.curves import Curves, WrongPair
from nsface.results.differences import DirDifference, McNemar, Rank1Difference
from nsface.results.identification import ClosedSet, DirAtFar, OpenSet
from nsface.results.measures import Fold
from nsface.results.rates import MeanTar
from nsface.run_folder import OverlapEntry

CHECKED = OverlapEntry(images=10, found=[], found_by={"embeddings": []}, threshold=0.9)
LINE = {"step": 8, "loss": 2.0, "accuracy": 0.5, "images_per_second": 100.0}


def make_run(name: str, *, head: str = "softmax", seed: int = 0, **keys: Any) -> Run:
    """A run whose people were looked for in the test sets; `keys` are results by file name."""
    recipe = {"head": {"name": head}, "network": {"name": "light-resnet"}, "epochs": 3, "seed": seed}
    changed = keys.pop("recipe", {})
    environment = {"torch": "2.6", "data": "digest"} | keys.pop("environment", {})
    overlap, validation = keys.pop("overlap", [CHECKED]), keys.pop("validation", [])
    folder = Path("runs") / name
    return Run(folder, name, recipe | changed, "text", environment, [LINE], keys, overlap, validation)


def lfw(accuracy: float, **keys: Any) -> Verification:
    """What eval-lfw gives on the official list, unless `keys` say otherwise."""
    given: dict[str, Any] = {
        "protocol": "lfw",
        "pairs": 6000,
        "genuine": 3000,
        "accuracy": accuracy,
        "standard_error": 0.005,
        "confidence_interval": (accuracy - 0.012, accuracy + 0.012),
        "interval": "Student's t",
        "identity_interval": (accuracy - 0.01, accuracy + 0.01),
        "folds": (Fold(accuracy=accuracy, threshold=0.3, pairs=6000),),
        "auc": 0.95,
        "eer": 0.1,
        "tar_at_far": (),
        "similarity": "cosine",
    }
    return Verification(**given | keys)


def lfw_compared(
    first: str, second: str, interval: tuple[float, float] | None, p: float | None = 0.01, **keys: Any
) -> VerificationComparison:
    """The middle of `interval` as difference of 90 % and something, by the identity-aware test."""
    difference = sum(interval or (0.02, 0.04)) / 2
    given: dict[str, Any] = {
        "protocol": "lfw",
        "pairs": 6000,
        "accuracy": (0.9, 0.9 - difference),
        "difference": difference,
        "confidence_interval": (difference - 0.001, difference + 0.001),
        "p_value": 0.0001,
        "test": "paired t test over folds",
        "identity_interval": interval,
        "identity_p_value": p,
        "mcnemar": McNemar(only_first=3, only_second=1, mid_p=0.0002),
        "systems": (f"runs/{first}/lfw.npz", f"runs/{second}/lfw.npz"),
    }
    return VerificationComparison(**given | keys)


def identification(rank_1: float, dir_: float, **keys: Any) -> Identification:
    """LFW identification at its official size."""
    given: dict[str, Any] = {
        "protocol": "lfw-identification",
        "closed_set": ClosedSet(gallery=4249, probes=3143, rank={"1": rank_1, "5": 0.99}),
        "open_set": OpenSet(
            gallery=596,
            genuine=596,
            impostors=9494,
            dir=(at_far(0.01, dir_), at_far(0.1, 0.9)),
        ),
    }
    return Identification(**given | keys)


def at_far(far: float, dir_: float) -> DirAtFar:
    return DirAtFar(far=far, dir=dir_, threshold=0.5, achieved_far=far)


def ident_compared(
    first: str, second: str, rank_1: tuple[float, float], dir_: tuple[float, float]
) -> IdentificationComparison:
    """Intervals of the differences in Rank-1 and in DIR at FAR 1 %."""
    return IdentificationComparison(
        rank_1=Rank1Difference(
            difference=sum(rank_1) / 2,
            identity_interval=rank_1,
            identity_p_value=0.02,
            mcnemar=McNemar(mid_p=0.01),
        ),
        dir=(
            DirDifference(
                far=0.01,
                difference=sum(dir_) / 2,
                confidence_interval=dir_,
                p_value=0.03,
                test="paired bootstrap",
            ),
        ),
        systems=(f"runs/{first}/lfw.npz", f"runs/{second}/lfw.npz"),
    )


def blufr(tar: float, **keys: Any) -> BlufrRates:
    return BlufrRates(tar_at_far=(MeanTar(far=0.001, tar=tar, std=0.01),), **keys)


def wrong(left: str, right: str, same: bool, score: float) -> WrongPair:
    return WrongPair(left, right, same, score)


def with_errors(*pairs: WrongPair) -> Verification:
    return lfw(0.9, curves=Curves(worst_errors=pairs))
