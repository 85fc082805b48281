"""What a report shows of validations: accuracy against epochs, scores of the last and of the chosen state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nsface.errors import joined, shown
from nsface.report.axis import Axis
from nsface.report.plots import FEW, Plot, Series
from nsface.report.tables import EMPTY, Cell, Table, percent

if TYPE_CHECKING:
    from nsface.report.runs import Run

BEST = "the state in best.safetensors"
_STEP = 0.05  # of the ends of the axis of accuracy


@dataclass(frozen=True)
class ValidationScores:
    """The table of validations.

    Attributes:
        table: a row for each run and validation.
        warning: what makes the score of the chosen state too high; '' where it does not.
    """

    table: Table
    warning: str


def validation_plots(runs: Sequence[Run]) -> list[Plot]:
    """A plot against epochs for each validation of `runs`, which have one line each."""
    names = dict.fromkeys(line["name"] for run in runs for line in run.validation)
    return [_plot(place, name, runs) for place, name in enumerate(names)]


def validation_scores(runs: Sequence[Run]) -> ValidationScores:
    """The last score of each run in each of its validations, and that of the state that was chosen."""
    rows = []
    for run in runs:
        chosen = _chosen_step(run)
        for name in dict.fromkeys(line["name"] for line in run.validation):
            lines = [line for line in run.validation if line["name"] == name]
            best = [line for line in lines if line["step"] == chosen]
            row = [_cell(lines[-1]), _cell(best[-1]) if best else EMPTY, Cell(f"{len(lines)}")]
            rows.append((run.name, name, row))
    titles = ["last state", "state in best.safetensors", "validations"]
    return ValidationScores(Table(titles, rows), _warning(runs))


def _warning(runs: Sequence[Run]) -> str:
    choosing = [line for run in runs for line in run.validation if line.get("best")]
    tests = dict.fromkeys(shown(line["name"]) for line in choosing if not line.get("held_out"))
    if not tests:
        return ""
    return (
        f"The state in best.safetensors is the one with the highest accuracy on {joined(list(tests))}: where "
        "that is a test list, its score there is too high, and the one to report is that of the last state, "
        "or of a state that held-out identities chose."
    )


def _chosen_step(run: Run) -> int | None:
    """The step of the state in best.safetensors."""
    return next((line["step"] for line in reversed(run.validation) if line.get("best")), None)


def _cell(line: dict[str, Any]) -> Cell:
    return Cell(
        percent(line["accuracy"]),
        f"± {percent(line['standard_error'])}",
        f"AUC {percent(line['auc'])}, epoch {line['epoch']:.3g}",
    )


def _plot(place: int, name: str, runs: Sequence[Run]) -> Plot:
    """The curve of every run that has a validation called `name`."""
    series, rings, said = [], [], []
    for number, run in enumerate(runs):
        lines = [line for line in run.validation if line["name"] == name]
        if not lines:
            continue
        epochs, accuracies = [line["epoch"] for line in lines], [line["accuracy"] for line in lines]
        spread = [line["standard_error"] for line in lines]
        few = len(lines) < FEW
        series.append(Series(run.name, epochs, accuracies, number, points=few, spread=spread))
        said.append(f"{run.name} ends at {100 * accuracies[-1]:.2f} %")
        chosen = _chosen_step(run)
        rings += [(one["epoch"], one["accuracy"], number) for one in lines if one["step"] == chosen]
    lowest = min(min(one.band[0]) for one in series)
    highest = max(max(one.band[1]) for one in series)
    low = min(max(0.0, _STEP * (lowest // _STEP)), 1.0 - _STEP)
    high = max(low + _STEP, min(1.0, _STEP * -(-highest // _STEP)))
    title = f"validation accuracy on {shown(name)}"
    return Plot(
        f"validation-{place}",
        title,
        f"{title} against epochs: {'; '.join(said)}",
        Axis("epoch", 0.0, max(1.0, *(max(one.x) for one in series))),
        Axis("", low, high, per_cent=True),
        series,
        rings=rings,
    )
