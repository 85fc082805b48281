"""What a report says before its figures: the size of the data, what went wrong in training, people in both
training and test sets, official lists."""

from __future__ import annotations

from collections.abc import Sequence

from nsface.errors import listing
from nsface.report.classification import KEY, is_classification
from nsface.report.runs import Run
from nsface.run_folder import troubles


def find_checks(runs: Sequence[Run]) -> list[str]:
    """What a reader must know before believing a figure: lines with the names of their runs."""
    found: dict[str, list[str]] = {}
    for run in runs:
        for line in _lines(run):
            found.setdefault(line, []).append(run.name)
    return [f"{listing(names, 6)}: {line}" for line, names in found.items()]


def _lines(run: Run) -> list[str]:
    classes = is_classification(run)
    lines = [] if classes else _overlap(run)
    whose = "classes" if classes else "identities"
    images, identities = (run.environment.get(key) for key in ("images", "identities"))
    excluded = len(run.recipe.get("exclude") or [])
    if images and identities:
        rendered = " rendered" if run.environment.get("rendered") else ""
        lines.insert(
            0,
            f"trained on {images:,}{rendered} images of {identities:,} {whose}, {excluded} excluded"
            + (f", {run.held_out} held out to validate on" if run.held_out else ""),
        )
    lines += troubles(run.log, run.environment)
    if figures := _unofficial(run):
        lines.append(f"not on the official lists: {'; '.join(figures)}")
    return lines


def _unofficial(run: Run) -> list[str]:
    """Figures that must not be compared with published ones, with the result files that they come from."""
    found = {
        key: [figure.name for figure in result.headlines() if not figure.official]
        for key, result in run.results.items()
        if key != KEY
    }
    return [f"{', '.join(names)} ({key}.json)" for key, names in found.items() if names]


def _overlap(run: Run) -> list[str]:
    """Whether people of the training set were looked for in the test sets, and found."""
    lines = []
    for entry in run.overlap:
        where = f"a test set of {entry.images:,} images"
        if entry.found:
            seem = f"people of the training set who seem to be in {where}: {listing(entry.found, 5)}"
            lines.append(f"{seem} (compared {entry.compared()})")
        elif "embeddings" in entry.ways:
            none = f"people of the training set who seem to be in {where}: none"
            lines.append(f"{none} (compared {entry.compared()})")
        else:
            found = ", and nobody was found that way" if entry.ways else ""
            lines.append(
                f"the training set and {where} were compared {entry.compared()}{found}; by their embeddings "
                "they were never compared"
            )
    return lines or ["never checked for people who are in the training set and in a test set"]
