"""What the tables on faces have in their cells, and the table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nsface.errors import counted
from nsface.reproduce.face_outcomes import FaceReproduction
from nsface.reproduce.face_table import PAIRING
from nsface.reproduce.face_tests import Row, Tested
from nsface.results.text import columns, p_value, wrapped


def mean_and_std(values: Mapping[int, float]) -> str:
    """`90.36 ± 0.08`, in per cent; without a spread of one value, `–` of none."""
    if not values:
        return "–"
    given = [100 * value for value in values.values()]
    mean = f"{np.mean(given):.2f}"
    return f"{mean} ± {np.std(given, ddof=1):.2f}" if len(given) > 1 else mean


def score_cells(found: FaceReproduction) -> list[list[str]]:
    """A row a figure, a column a system, below their names."""
    rows = found.rows()
    body = [[row.label, *(mean_and_std(found.by_seed(one, row)) for one in found.systems)] for row in rows]
    return [["", *found.systems], *body]


def difference_cells(tests: Sequence[Tested]) -> list[list[str]]:
    """A row a test, below titles; differences in points."""
    cells = [["", "system", "seed", "difference", "95 % interval", "p", "p, Holm", "test"]]
    for one in tests:
        interval = one.found.interval
        cells.append(
            [
                one.row.label,
                one.system,
                "all" if one.seed is None else str(one.seed),
                f"{100 * one.found.difference:+.2f}",
                "–" if interval is None else f"{100 * interval[0]:+.2f} to {100 * interval[1]:+.2f}",
                p_value(one.found.p),
                p_value(one.p_holm),
                one.found.test,
            ]
        )
    return cells


def _terminal_cells(found: FaceReproduction, row: Row, tests: Mapping[str, Tested]) -> list[list[str]]:
    """A row a system below its titles: one figure, and its test by system."""
    cells = [["", "score", "diff.", "95 % interval", "p, Holm"]]
    for system in found.systems:
        tested = difference_cells([tests[system]])[1] if system in tests else ["–"] * 8
        cells.append([system, mean_and_std(found.by_seed(system, row)), tested[3], tested[4], tested[6]])
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
    lines.append("")
    lines += [wrapped(f"  not run: {one.title}: {one.reason}", width) for one in found.not_run]
    lines += [wrapped(f"  {sentence}", width) for sentence in (PAIRING, *found.doubts)]
    return "\n".join(lines)
