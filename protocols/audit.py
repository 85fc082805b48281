"""The audit of a result: less careful figures of the same scores, and what the result rests on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import numpy as np

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, shown
from nsface.files import digest, reason
from nsface.metrics import audit as careless
from nsface.metrics.identification import detected_scores, dir_curve, rank_rate
from nsface.metrics.verification import best_accuracy, kfold_accuracy
from nsface.results.audit import Alignment, Audit, Careless, ListFile
from nsface.results.text import tar_at

if TYPE_CHECKING:
    from nsface.protocols.identification import MeasuredTrial
    from nsface.protocols.protocol import Protocol
    from nsface.protocols.scored_pairs import ScoredPairs

AUDIT = "Add what less careful evaluations would have printed, and the SHA-256 of the lists."

# What each practice does, by its name.
PRACTICES = {
    "test_pairs_by_fold": "threshold best on each test fold itself",
    "test_pairs_together": "one threshold, best on the whole list",
    "grid_of_400": "400 thresholds on squared distance",
    "transform_on_all_pairs": "transform fitted on all pairs",
    "population_deviation": "population deviation of the folds",
    "interpolated": "interpolated between thresholds",
    "nearest_far": "at the nearest FAR, also above",
    "quantile_threshold": "threshold a quantile of impostors",
    "optimistic_rank": "ties counted in favour",
}


def _row(name: str, figure: str, value: float, honest: float | None, far: float | None = None) -> Careless:
    return Careless(
        name=name,
        practice=PRACTICES[name],
        figure=figure,
        value=value,
        honest=honest,
        achieved_far=far,
    )


def audit_pairs(protocol: Protocol[Any, Any], scored: ScoredPairs, embeddings: Embeddings) -> Audit:
    """What less careful evaluations print of the scored pairs.

    Raises:
        DataError: a list that can no longer be read.
    """
    figures = [*_accuracies(scored), *_errors(scored), *_tars(scored)]
    return _audit(figures, protocol, embeddings)


def _accuracies(scored: ScoredPairs) -> Iterator[Careless]:
    trials = scored.trials
    same, folds = trials.same, trials.fold
    known = scored.scores if scored.by_fold is None else scored.by_fold
    honest = float(np.mean([fold.accuracy for fold in scored.folds])) if scored.folds else None
    if scored.kfold:
        best = careless.best_on_each_fold(known, same, folds)
        yield _row("test_pairs_by_fold", "accuracy", float(best.mean()), honest)
    yield _row("test_pairs_together", "accuracy", best_accuracy(scored.scores, same), honest)
    if scored.kfold and scored.similarity == "cosine":
        grid = careless.grid_accuracy(known, same, folds)
        yield _row("grid_of_400", "accuracy", float(grid.mean()), honest)
    if scored.fitted_on_all is not None:
        leaked = kfold_accuracy(scored.fitted_on_all, same, folds).accuracy
        yield _row("transform_on_all_pairs", "accuracy", leaked, honest)


def _errors(scored: ScoredPairs) -> Iterator[Careless]:
    if scored.kfold:
        deviation = float(np.std([fold.accuracy for fold in scored.kfold.folds]))
        yield _row("population_deviation", "standard error", deviation, scored.kfold.standard_error)


def _tars(scored: ScoredPairs) -> Iterator[Careless]:
    same, curve = scored.trials.same, scored.curve
    genuine, impostors = scored.scores[same], scored.scores[~same]
    for point in scored.tar_at_far:
        rates, scores = (curve.far, curve.tar), (genuine, impostors)
        yield from _rates(tar_at(point.far), point.far, point.tar, rates, scores)


def _rates(
    figure: str,
    far: float,
    honest: float,
    curve: tuple[careless.Floats, careless.Floats],
    scores: tuple[careless.Floats, careless.Floats],
) -> Iterator[Careless]:
    """TAR or DIR at `far`, from the FARs and rates of its curve, and both kinds of scores."""
    yield _row("interpolated", figure, careless.interpolated_rate(*curve, far), honest)
    yield _row("nearest_far", figure, *_with_far(careless.nearest_rate(*curve, far), honest))
    yield _row("quantile_threshold", figure, *_with_far(careless.quantile_rate(*scores, far), honest))


def _with_far(found: tuple[float, float], honest: float) -> tuple[float, float, float]:
    return found[0], honest, found[1]


def audit_identification(
    protocol: Protocol[Any, Any], trials: Sequence[MeasuredTrial], embeddings: Embeddings
) -> Audit:
    """What less careful evaluations print of identification; over several trials means.

    Raises:
        DataError: a list that can no longer be read.
    """
    of_trials = [list(_identified(trial)) for trial in trials]
    figures = [_mean(rows) for rows in zip(*of_trials, strict=True)]
    return _audit(figures, protocol, embeddings)


def _identified(trial: MeasuredTrial) -> Iterator[Careless]:
    closed = trial.result.closed_set
    if closed and trial.optimistic_rank is not None:
        for k, honest in closed.rank.items():
            value = rank_rate(trial.optimistic_rank, int(k))
            yield _row("optimistic_rank", f"Rank-{k}", value, honest)
    if trial.open:
        curve = dir_curve(trial.open)
        scores = (detected_scores(trial.open.genuine, 1), trial.open.impostors)
        for point in trial.dir_at_far():
            yield from _rates(point.name, point.far, point.dir, curve, scores)


def _mean(rows: Sequence[Careless]) -> Careless:
    if len(rows) == 1:
        return rows[0]
    fars = [row.achieved_far for row in rows if row.achieved_far is not None]
    return dataclasses.replace(
        rows[0],
        value=float(np.mean([row.value for row in rows])),
        honest=float(np.mean([row.honest for row in rows])),
        achieved_far=float(np.mean(fars)) if fars else None,
    )


def _audit(figures: Sequence[Careless], protocol: Protocol[Any, Any], embeddings: Embeddings) -> Audit:
    meta = embeddings.meta
    parts = meta.get("fused") or [meta]  # each is checked when the file is read
    return Audit(
        figures=tuple(figures),
        lists=tuple(_hashed(path) for given in given_paths(protocol) for path in _files(given)),
        alignment=alignment(parts[0]),
        flip=meta.get("flip"),
        model=_together(parts, "model"),
        model_digest=_together(parts, "model_digest"),
    )


def _together(parts: Sequence[Mapping[str, Any]], key: str) -> str | None:
    """What one model or several fused ones have under `key`; None unless all have it."""
    found = [part.get(key) for part in parts]
    return None if None in found else " + ".join(map(str, found))


def alignment(meta: Mapping[str, Any]) -> Alignment:
    """What the meta data of embeddings say of the alignment of their images.

    The record of `nsface align` goes before what the model was trained on.
    """
    made, expected = (
        found if isinstance(found := meta.get(key), dict) else {} for key in ("alignment", "preprocessing")
    )
    size = made.get("size") or [expected.get("height"), expected.get("width")]
    whole = isinstance(size, list) and len(size) == 2 and all(type(one) is int and one > 0 for one in size)
    template = made.get("template") or expected.get("template")
    detector = made.get("detector")
    return Alignment(
        template=template if isinstance(template, str) else None,
        size=(size[0], size[1]) if whole else None,
        detector=detector if isinstance(detector, str) else None,
    )


def given_paths(protocol: Protocol[Any, Any]) -> list[str | os.PathLike[str]]:
    """The paths that the options of `protocol` give."""
    hints = get_type_hints(type(protocol))
    paths: list[str | os.PathLike[str]] = []
    for field in dataclasses.fields(protocol):  # type: ignore[arg-type]
        value = getattr(protocol, field.name)
        if value is not None and _takes_paths(hints[field.name]):
            paths += value if isinstance(value, tuple | list) else [value]
    return paths


def _takes_paths(hint: Any) -> bool:
    parts = get_args(hint)
    return os.PathLike[str] in parts or any(os.PathLike[str] in get_args(part) for part in parts)


def _files(path: str | os.PathLike[str]) -> list[Path]:
    """A list, or the lists of a folder; a folder without lists stands for itself."""
    place = Path(path)
    return sorted(place.glob("*.txt")) or [place] if place.is_dir() else [place]


def _hashed(path: Path) -> ListFile:
    if not path.is_file():  # a folder, or a pipe that was read and is gone
        return ListFile(path=str(path))
    try:
        return ListFile(path=str(path), sha256=digest(path))
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read again: {reason(error)}") from error
