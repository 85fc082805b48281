"""What `nsface runs` shows of many runs: a row a run, groups over seeds, and tests against one group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from nsface.errors import DataError, joined, listing, shown
from nsface.report.classification import ClassificationTest
from nsface.report.comparisons import FEWEST_SEEDS
from nsface.report.listed import DIVERGED, FINISHED, Listed, Validated, differing_keys, differs, read_listed
from nsface.report.run_fields import fields, sorted_by
from nsface.report.runs import paths_from_shared
from nsface.report.scores import Column, score_columns
from nsface.report.seed_tests import OverSeeds, SeedTest, find_baseline, tests_against
from nsface.report.systems import System, find_systems, value_of
from nsface.report.tables import DASH, ends, p_value, percent
from nsface.results.official import CHOSEN_BY_TEST
from nsface.results.text import columns, wrapped

_IN_TRAINING = (Validated, ClassificationTest)
_LEGEND = (
    "accuracy and scores in per cent; loss and accuracy are of the training, in the last line of its log"
)


@dataclass(frozen=True)
class RunTable:
    """Runs, how they differ and what came out.

    Attributes:
        runs: in the order of the rows.
        unreadable: by path, why a run could not be read.
        groups: runs that differ in the seed alone; there may be one run in a group.
        scores: the scores that any run has.
        baseline: the group that others are compared with; None where no group has several seeds, or there is
            only one group.
        tests: the others against it.
    """

    runs: list[Listed]
    unreadable: dict[str, str]
    groups: list[System]
    scores: list[Column]
    baseline: System | None
    tests: list[SeedTest]

    def to_json(self) -> dict[str, Any]:
        """The object that `nsface runs --json` writes."""
        differing = differing_keys([one.run.recipe for one in self.runs])
        return {
            "runs": [
                self._run_json(one, {key: values[row] for key, values in differing.items()})
                for row, one in enumerate(self.runs)
            ],
            "unreadable": [{"run": name, "error": error} for name, error in self.unreadable.items()],
            "groups": [self._group_json(group) for group in self.groups],
            "against": self.baseline.name if self.baseline else None,
            "differences": [test.to_json() for test in self.tests],
        }

    def _run_json(self, one: Listed, recipe: dict[str, Any]) -> dict[str, Any]:
        environment = one.run.environment
        values = {
            column.title: value_of(one.run.results.get(column.key), column.figure) for column in self.scores
        }
        return {
            "run": str(one.run.folder),
            "recipe": recipe,
            "state": one.state,
            "step": one.step,
            "steps": one.total,
            "loss": one.last("loss"),
            "accuracy": one.last("accuracy"),
            "scores": {title: value for title, value in values.items() if value is not None},
            "seconds": environment.get("seconds"),
            "images_per_second": one.images_per_second,
            **{key: environment.get(key) for key in ("started", "nsface", "commit", "device", "precision")},
        }

    def _group_json(self, group: System) -> dict[str, Any]:
        return {
            "group": group.name,
            "runs": [str(run.folder) for run in group.runs],
            "seeds": [run.recipe.get("seed") for run in group.runs],
            "scores": {title: found.to_json() for title, found in self._over_seeds(group).items() if found},
        }

    def _over_seeds(self, group: System) -> dict[str, OverSeeds | None]:
        """By title what the finished runs of `group` reached in training, and its scores."""
        finished = [one for one in self.runs if one.state == FINISHED and one.run in group.seeded]
        found = {
            key: {one.run.recipe["seed"]: v for one in finished if (v := one.last(key)) is not None}
            for key in ("loss", "accuracy")
        } | {column.title: group.by_seed(column.key, column.figure) for column in self.scores}
        return {title: OverSeeds(values) if values else None for title, values in found.items()}

    def table(self, width: int) -> str:
        """All of it as text; what is wider than `width` characters stands in a second table below."""
        parts = []
        if self.runs:
            parts += [self._run_rows(width), "\n".join(self._remarks(width))]
        if self.unreadable:
            parts.append("\n".join(["not read:", *(f"  {error}" for error in self.unreadable.values())]))
        if several := [group for group in self.groups if len(group.runs) > 1]:
            parts.append(self._group_rows(several, width))
        if self.baseline and self.tests:
            parts.append("\n".join(self._test_lines(self.baseline.name, width)))
        return "\n\n".join(parts)

    def _run_rows(self, width: int) -> str:
        chosen = [field for field in fields(self.runs, self.scores) if not field.hidden]
        rows = [["run", *(field.title for field in chosen)]]
        rows += [
            [one.run.name, *(field.texts[number] for field in chosen)] for number, one in enumerate(self.runs)
        ]
        return columns(rows, "", width)

    def _remarks(self, width: int) -> Iterator[str]:
        yield wrapped(_LEGEND, width)
        same = [FINISHED] if all(one.state == FINISHED for one in self.runs) else []
        origins = [one.origin for one in self.runs]
        for key in ("version", "device", "precision"):
            if key in origins[0] and not differs([origin.get(key) for origin in origins]):
                same.append(shown(origins[0][key]))
        if same:
            yield wrapped(f"all runs: {', '.join(same)}", width)
        if unofficial := [column.title for column in self.scores if not self._is_official(column)]:
            yield wrapped(f"not all on the official lists: {', '.join(unofficial)}", width)
        for one in self.runs:
            if one.state == DIVERGED:
                yield wrapped(f"{one.run.name} diverged: {shown(one.run.environment['diverged'])}", width)

    def _is_official(self, column: Column) -> bool:
        """Whether all runs have the score on official lists: only then may it be compared with others'.

        Of validations and tests while training this is not known.
        """
        return all(
            figure.official
            for one in self.runs
            if (result := one.run.results.get(column.key)) and not isinstance(result, _IN_TRAINING)
            for figure in result.figures()
            if figure.name == column.figure
        )

    def _group_rows(self, groups: Sequence[System], width: int) -> str:
        rows = [["mean ± std over seeds", "seeds", "loss", "accuracy", *(one.title for one in self.scores)]]
        for group in groups:
            found = self._over_seeds(group)
            loss, *rates = found.values()
            cells = [_cell(loss, len(group.runs), lambda value: f"{value:.3g}")]
            cells += [_cell(rate, len(group.runs), percent) for rate in rates]
            rows.append([group.name, str(len(group.runs)), *cells])
        return columns(rows, "", width)

    def _test_lines(self, baseline: str, width: int) -> Iterator[str]:
        """A row for each test, and a sentence for the groups of which it says the same."""
        title = f"difference from {baseline} in points"
        rows = [[title, "seeds", "difference", "95 % interval", "p", "p by Holm"]]
        for test in self.tests:
            if test.found:
                sizes = " and ".join(map(str, test.seeds)) + ("" if len(test.seeds) == 1 else " (Welch)")
                cells = [percent(test.found.difference), ends(test.found.interval) or DASH]
                rows.append(
                    [
                        f"{test.group}: {test.score}",
                        sizes,
                        *cells,
                        p_value(test.found.p),
                        p_value(test.p_holm),
                    ]
                )
        if len(rows) > 1:
            yield columns(rows, "", width)
            several = f"; p by Holm is corrected for all {len(rows) - 1} tests, the intervals are not"
            said = "t tests over the seeds, paired where not said otherwise"
            yield wrapped(said + (several if len(rows) > 2 else ""), width)
        verdicts: dict[str, list[str]] = {}
        for group, tests in groupby(self.tests, key=lambda test: test.group):
            verdicts.setdefault(_verdict(list(tests)), []).append(group)
        for verdict, alike in verdicts.items():
            yield wrapped(f"{listing(alike, 5)} against {baseline}: {verdict}", width)


def _cell(found: OverSeeds | None, size: int, text: Callable[[float], str]) -> str:
    """`89.21 ± 0.34`, with the number of seeds where not all `size` have the value."""
    if found is None:
        return DASH
    spread = "" if found.std is None else f" ± {text(found.std)}"
    return text(found.mean) + spread + (f" ({len(found.values)})" if len(found.values) < size else "")


def _verdict(tests: Sequence[SeedTest]) -> str:
    """What the tests of one group say, in words."""
    words = {
        "better": "better on {}",
        "worse": "worse on {}",
        "chance": "chance cannot be ruled out on {}",
        "no spread": "the seeds have no spread to judge {} by",
        "too few seeds": f"too few seeds to tell on {{}} (a test needs {FEWEST_SEEDS})",
    }
    found = {kind: [test.score for test in tests if test.verdict == kind] for kind in words}
    return "; ".join(words[kind].format(joined(scores)) for kind, scores in found.items() if scores)


def read_run_table(
    folders: Sequence[Path],
    note: Callable[[str], object],
    sort: str | None = None,
    against: str | None = None,
) -> RunTable:
    """Read the run folders `folders`, each called by its path from the folder above the one they share.

    Args:
        note: called with a line about each result in them that cannot be read.
        sort: the title of the column by which the runs are sorted; by default they stay in their order.
        against: the group that others are compared with; see `find_baseline`.

    Raises:
        RecipeError: no such column, or no such group.
    """
    runs: list[Listed] = []
    unreadable = {}
    for folder, name in zip(folders, paths_from_shared(folders), strict=True):
        try:
            runs.append(read_listed(folder, name, note))
        except DataError as error:
            unreadable[str(folder)] = str(error)
    groups = find_systems([one.run for one in runs])
    scores = score_columns(groups)
    several = len(groups) > 1 and any(len(group.runs) > 1 for group in groups)
    baseline = find_baseline(groups, against) if several or against is not None else None
    tested = [column for column in scores if column.figure not in CHOSEN_BY_TEST]
    tests = tests_against(baseline, groups, tested) if baseline else []
    return RunTable(sorted_by(sort, runs, scores), unreadable, groups, scores, baseline, tests)
