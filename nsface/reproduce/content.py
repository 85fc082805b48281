"""What is written about a table: rows and sentences, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nsface.errors import counted
from nsface.report.run_fields import duration
from nsface.report.tables import Cell, p_value
from nsface.reproduce.arms import ARMS, BASELINE
from nsface.reproduce.findings import claims, doubts, lead
from nsface.reproduce.outcomes import Reproduction, interval_text, mean_and_std, points
from nsface.results.text import columns, wrapped

DASH = "–"
CAPTION = (
    "Errors on the test images in per cent, mean ± standard deviation over seeds: after the last step, and "
    "in the best test, which the test images have chosen. ECE and MCE are the expected and the maximum "
    "calibration error after the last step, in ten bins. The published errors are those of {source}. "
    "Differences are in points, paired by seed, {against}, with their 95 % interval; p is that of a paired t "
    "test, corrected by Holm for all tests of the table. Time is that of one training, beside others where "
    "several ran at once."
)
_ORIGIN = {
    "command": "command",
    "location": "images",
    "images": "training images",
    "test_images": "test images",
    "data": "fingerprint of the training images",
    "device": "device",
    "precision": "arithmetic of the network",
    "cores": "cores",
    "threads": "threads of a training",
    "platform": "platform",
    "python": "Python",
    "torch": "PyTorch",
    "nsface": "nsface",
    "commit": "commit",
    "started": "first training begun",
    "seconds": "all trainings, one after the other",
}


@dataclass(frozen=True)
class Row:
    """An arm in the table.

    Attributes:
        certain: whether its test tells it from its baseline.
    """

    title: str
    note: str
    cells: Sequence[Cell]
    certain: bool


def title_of(found: Reproduction) -> str:
    """What the pages are called: `CIFAR-10, quick size`."""
    return f"{found.table.title}, {found.scale_name} size"


def against(found: Reproduction) -> str:
    """What the differences are to: `less Softmax`."""
    others = dict.fromkeys(test.other for test in found.tests.values())
    if set(others) <= {BASELINE}:
        return f"less {ARMS[BASELINE].title}"
    return f"less {ARMS[BASELINE].title} or what stands below the arm"


def caption(found: Reproduction, source: str) -> str:
    """What the columns of the table are."""
    return CAPTION.format(source=source, against=against(found))


TITLES = (
    "error, last step",
    "best test",
    "published",
    "difference",
    "p by Holm",
    "ECE",
    "MCE",
    "seeds",
    "time",
)


def rows(found: Reproduction) -> list[Row]:
    """A row for each arm, with a cell for each of `TITLES`."""
    made = []
    for arm in found.arms:
        test, errors = found.tests.get(arm), found.by_seed(arm)
        published = found.table.published.get(arm)
        difference = Cell(DASH)
        if test and test.found:
            interval = interval_text(test.found.interval) if test.found.interval else ""
            difference = Cell(points(test.found.difference), "", interval)
        seconds = [one.seconds for one in found.of(arm) if one.measures is not None]
        other = f"less {ARMS[test.other].title}" if test and test.other != BASELINE else ""
        diverged = len(found.diverged(arm))
        notes = [other, ARMS[arm].note, f"{counted(diverged, 'training')} diverged" if diverged else ""]
        cells = [
            _cell(mean_and_std(errors)),
            _cell(mean_and_std(found.by_seed(arm, "best_error"))),
            Cell(DASH if published is None else f"{published:.2f}"),
            difference,
            Cell(p_value(test.p_holm if test else None)),
            _cell(mean_and_std(found.by_seed(arm, "ece"))),
            _cell(mean_and_std(found.by_seed(arm, "mce"))),
            Cell(str(len(errors))),
            Cell(duration(float(np.mean(seconds))) if seconds else DASH),
        ]
        certain = test is not None and test.verdict in ("better", "worse")
        made.append(Row(ARMS[arm].title, "; ".join(filter(None, notes)), cells, certain))
    return made


def _cell(text: str) -> Cell:
    mean, _, std = text.partition(" ± ")
    return Cell(mean, f"± {std}" if std else "")


def plain_rows(found: Reproduction) -> list[list[str]]:
    """The same as text, below its titles; the interval has a column of its own."""
    place = TITLES.index("difference") + 1
    made = [["", *TITLES[:place], "95 % interval", *TITLES[place:]]]
    for row in rows(found):
        texts = [f"{cell.value} {cell.spread}".strip() for cell in row.cells]
        interval = row.cells[place - 1].interval or DASH
        made.append([row.title, *texts[:place], interval, *texts[place:]])
    return made


def terminal_rows(found: Reproduction) -> list[list[str]]:
    """What fits a line of a terminal of 80 columns; an arm is called as `--arms` and its folders call it."""
    made = [["", "error", "paper", "diff.", "95 % interval", "p", "seeds"]]
    for arm, row in zip(found.arms, rows(found), strict=True):
        cells = dict(zip(TITLES, row.cells, strict=True))
        error, difference = cells["error, last step"], cells["difference"]
        values = [cells[title].value for title in ("published", "difference")]
        last = [cells[title].value for title in ("p by Holm", "seeds")]
        made.append(
            [arm, f"{error.value} {error.spread}".strip(), *values, difference.interval or DASH, *last]
        )
    return made


def by_seed(found: Reproduction) -> list[list[str]]:
    """The error of each training after its last step, in per cent; an arm a row, a seed a column."""
    seeds = sorted({outcome.seed for outcome in found.outcomes})
    made = [["", *(f"seed {seed}" for seed in seeds)]]
    for arm in found.arms:
        errors, diverged = found.by_seed(arm), found.diverged(arm)
        cells = [
            f"{100 * errors[seed]:.2f}" if seed in errors else "diverged" if seed in diverged else DASH
            for seed in seeds
        ]
        made.append([ARMS[arm].title, *cells])
    return made


def others(found: Reproduction) -> list[list[str]]:
    """Published errors of other systems, in per cent."""
    return [[name, f"{error:.2f}"] for name, error in found.table.others.items()]


def differing(found: Reproduction) -> list[tuple[str, str]]:
    """Of each arm its title and what it has in its recipe that its baseline has not."""
    made = []
    for arm in found.arms:
        changes = ", ".join(f"{key}: {_value(value)}" for key, value in found.changes(arm).items())
        if ARMS[arm].against == arm:
            changes = f"the baseline, head.name: {found.recipes[arm]['head']['name']}"
        note = f"; {ARMS[arm].note}" if ARMS[arm].note else ""
        made.append((ARMS[arm].title, changes + note))
    return made


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "none" if value is None else str(value)


def troubles(found: Reproduction) -> list[str]:
    """What went wrong in trainings, a line each."""
    return [
        f"{ARMS[one.arm].title}, seed {one.seed}: {trouble}"
        for one in found.outcomes
        for trouble in one.troubles
    ]


def origin(found: Reproduction, command: str | None) -> list[tuple[str, str]]:
    """What the numbers depend on besides the recipe: images, hardware, versions, command."""
    total = sum(outcome.seconds for outcome in found.outcomes)
    known = {
        **found.environment, "location": found.recipe["data"], "seconds": duration(total),
        "cores": found.environment.get("cores"),
    }  # fmt: skip
    if command:
        known["command"] = command
    return [(title, _text(known[key])) for key, title in _ORIGIN.items() if known.get(key) is not None]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " and ".join(map(_text, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def text(found: Reproduction, width: int) -> str:
    """The table for a terminal, and what it says."""
    done = f"{len(found.outcomes)} of {counted(found.expected, 'training')}"
    images = found.environment.get("test_images", 0)
    lines = [
        title_of(found),
        *(wrapped(sentence, width, 0) for sentence in found.about),
        wrapped(
            f"{done}; errors in per cent of {images:,} test images after the last step, mean ± standard "
            f"deviation over seeds; differences in points, {against(found)}; p by Holm; more in results.md",
            width,
            0,
        ),
        "",
        columns(terminal_rows(found), "", width),
        "",
        *(wrapped(sentence, width, 0) for sentence in lead(found)),
        *(wrapped(f"- {sentence}", width, 2) for sentence in claims(found)),
        "",
        "what this does not show:",
        *(wrapped(f"- {sentence}", width, 2) for sentence in doubts(found)),
    ]
    return "\n".join(lines)
