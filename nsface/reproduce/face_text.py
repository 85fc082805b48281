"""What the tables on faces have in their cells, and the table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nsface.errors import counted
from nsface.reproduce.face_findings import claims, lead
from nsface.reproduce.face_outcomes import FaceReproduction
from nsface.reproduce.face_table import PAIRING
from nsface.reproduce.face_tests import Row, Tested
from nsface.reproduce.outcomes import interval_text, mean_and_std, points
from nsface.results.text import columns, p_value, wrapped


def score_cells(found: FaceReproduction) -> list[list[str]]:
    """A row a figure, a column a system, below their titles."""
    rows = found.rows()
    body = [[row.label, *(mean_and_std(found.by_seed(one, row)) for one in found.systems)] for row in rows]
    return [["", *map(found.title, found.systems)], *body]


def difference_cells(found: FaceReproduction, tests: Sequence[Tested]) -> list[list[str]]:
    """A row a test, below titles; differences in points. Those over pairs have a seed and a name."""
    over_pairs = any(one.seed is not None for one in tests)
    titles = ["", "system", "difference", "95 % interval", "p", "p, Holm"]
    cells = [[*titles[:2], "seed", *titles[2:], "test"] if over_pairs else titles]
    for one in tests:
        start = [one.row.label, found.title(one.system)]
        middle = [points(one.found.difference), _interval(one), p_value(one.found.p), p_value(one.p_holm)]
        cells.append([*start, str(one.seed), *middle, one.found.test] if over_pairs else [*start, *middle])
    return cells


def _interval(test: Tested) -> str:
    return "–" if test.found.interval is None else interval_text(test.found.interval)


def _terminal_cells(found: FaceReproduction, row: Row, tests: Mapping[str, Tested]) -> list[list[str]]:
    """A row a system below its titles: one figure, and its test by system."""
    cells = [["", "score", "diff.", "95 % interval", "p, Holm"]]
    for system in found.systems:
        own = tests.get(system)
        tested = [points(own.found.difference), _interval(own), p_value(own.p_holm)] if own else ["–"] * 3
        cells.append([system, mean_and_std(found.by_seed(system, row)), *tested])
    return cells


def text(found: FaceReproduction, width: int) -> str:
    """What papers compare, for a terminal, in lines of at most `width` characters where words allow it."""
    done = f"{len(found.trainings)} of {counted(found.expected, 'training')}"
    what = "scores in per cent, mean ± std over seeds; differences in points, less Softmax, paired by seed"
    lines = [
        wrapped(f"Faces, {found.scale_name}, recipe {found.recipe_name}: {found.scale.about}", width),
        wrapped(f"{done}; {what}; other scores and tests are in results.md", width),
    ]
    tests = found.tests()
    for row in [row for row in found.rows() if row.tested] or found.rows():
        own = {test.system: test for test in tests if test.row == row}
        lines += ["", row.label, columns(_terminal_cells(found, row, own), width=width)]
    lines += ["", *(wrapped(sentence, width, 0) for sentence in lead(found))]
    lines += [*(wrapped(f"- {claim}", width, 2) for claim in claims(found)), ""]
    lines += [wrapped(f"  not run: {one.title}: {one.reason}", width) for one in found.not_run]
    lines += [wrapped(f"  {sentence}", width) for sentence in (PAIRING, *found.doubts)]
    return "\n".join(lines)
