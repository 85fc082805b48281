"""What the verification commands share: their options, their table, their notes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from nsface.cli.numbers import DIMENSIONS, FAR
from nsface.cli.results import columns, emit, interval, note, percent
from nsface.embeddings.file import Embeddings
from nsface.errors import listing, shown
from nsface.metrics.similarity import SIMILARITIES
from nsface.protocols.transforms import Transform
from nsface.protocols.trials import Trials
from nsface.protocols.verification import FARS, Verification
from nsface.report.curves import verification_curves


def pairs_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option `--pairs`, with a word on the list."""
    return click.option("--pairs", "pairs", type=click.Path(path_type=Path), required=True, help=what)


def scoring_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --similarity, --center, --pca and --far, as one argument `scoring` for `verify`."""

    @click.option(
        "--similarity",
        type=click.Choice(SIMILARITIES),
        default="cosine",
        show_default=True,
        help="Score of two embeddings.",
    )
    @click.option("--center", is_flag=True, help="Subtract the mean of the training folds' images.")
    @click.option(
        "--pca", type=DIMENSIONS, default=None, metavar="N", help="PCA to N, fitted on training folds."
    )
    @click.option("--far", "fars", type=FAR, multiple=True, help="FAR at which TAR is given.")
    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> Any:
        transform = Transform(kwargs.pop("center"), kwargs.pop("pca") or 0)
        fars = kwargs.pop("fars") or FARS
        scoring = {"similarity": kwargs.pop("similarity"), "transform": transform, "fars": fars}
        return function(*args, scoring=scoring, **kwargs)

    return command


calibration_option = click.option(
    "--calibration", is_flag=True, help="Add the expected calibration error of decisions made by probability."
)


def finish(
    measured: Verification,
    embeddings: Embeddings,
    json_to: str | None,
    plots: Path | None,
    corrected: Verification | None = None,
    extra: dict[str, Any] | None = None,
    calibration: bool = False,
) -> None:
    """Print a result and draw its figures.

    Args:
        corrected: the same with errata of the list taken into account.
        extra: further keys of the result, which the table also shows.
        calibration: add the calibration of decisions by probability.
    """
    _notes(measured.trials)
    result = measured.result() | {"embeddings": embeddings.source, "flip": embeddings.meta.get("flip")}
    result |= extra or {}
    table = _table(result)
    if extra:
        table += "\n  " + ", ".join(
            f"{key} {'unknown' if value is None else value}" for key, value in extra.items()
        )
    calibrated = None
    if calibration:
        from nsface.protocols import calibrated as by_probability

        calibrated = by_probability.calibrate(measured)
        result["calibration"] = by_probability.result(calibrated)
        table += f"\n  expected calibration error {percent(calibrated.error)} ({by_probability.METHOD})"
    if corrected is not None:
        changed = int((measured.trials.same != corrected.trials.same).sum())
        keys = (
            "accuracy",
            "standard_error",
            "confidence_interval",
            "interval",
            "identity_interval",
            "folds",
            "auc",
            "eer",
            "tar_at_far",
        )
        other = corrected.result()
        result["errata_corrected"] = {"labels_changed": changed} | {key: other[key] for key in keys}
        table += f"\nwith {changed} labels corrected\n{_pairs_of(_accuracy_rows(other))}"
    if plots:
        from nsface.report.figures import draw_reliability, draw_verification

        name = Path(embeddings.source).stem
        draw_verification(plots, {name: measured})
        if calibrated:
            draw_reliability(plots, name, calibrated)
    emit(result | {"curves": verification_curves(measured)}, table, json_to)


def _notes(trials: Trials) -> None:
    shared = trials.people_in_several_folds() if trials.folds > 1 else []
    if shared:
        note(
            f"{shown(trials.source)}: {len(shared)} people occur in several folds ({listing(shared, 3)}): "
            "a threshold was chosen on people on whom it is tested"
        )
    if not trials.folders_are_people:
        note(
            f"{shown(trials.source)}: {trials.contradictions} of {len(trials)} pairs show one person in two "
            "folders, or two people in one: folders are not taken for people, and no interval is "
            "identity-aware"
        )
    if repeated := trials.repeated():
        note(f"{shown(trials.source)}: {repeated} pairs are repeated; each counts as often as it is listed")


def _accuracy_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    if result["accuracy"] is None:
        rows.append(("accuracy", "– (no folds, no training pairs)"))
    else:
        error = result["standard_error"]
        spread = f" ± {percent(error)} (standard error)" if error is not None else ""
        rows.append(("accuracy", percent(result["accuracy"]) + spread))
        rows.append(("interval", f"{interval(result['confidence_interval'])} ({result['interval']})"))
        if result["standard_error"] is not None and result["identity_interval"]:
            rows.append(("", f"{interval(result['identity_interval'])} (95 %, Wilson, identity-aware)"))
    rows += [("AUC", f"{100 * result['auc']:.3f} %"), ("EER", percent(result["eer"]))]
    return rows


def _pairs_of(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name.ljust(width)}  {value}" for name, value in rows)


def _table(result: dict[str, Any]) -> str:
    how = f"{result['similarity']}, transform {result['transform']}, flip {result['flip'] or 'unknown'}"
    kinds = f"{result['genuine']} genuine, {result['pairs'] - result['genuine']} impostors"
    head = f"{result['protocol']}: {result['pairs']} pairs ({kinds})\n  {how}"
    title = "95 % interval"
    points = [("FAR", "TAR", title, "achieved FAR", title, "threshold")]
    for p in result["tar_at_far"]:
        shares = (percent(p["tar"]), interval(p["identity_interval"]))
        achieved = (percent(p["achieved_far"], 4), interval(p["far_identity_interval"], 4))
        points.append((f"{100 * p['far']:g} %", *shares, *achieved, f"{p['threshold']:.4f}"))
    return "\n".join([head, _pairs_of(_accuracy_rows(result)), columns(points)])
