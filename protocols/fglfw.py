"""FGLFW (also called SLLFW): LFW's matched pairs and look-alike mismatched ones, in the same ten folds.

`pair_FGLFW.txt` has no header: one image path a line, two lines a pair. In each of ten folds 600 lines of
matched pairs are followed by 600 lines of mismatched ones.
"""

from __future__ import annotations

import os

from nsface.protocols.lists import Line, read_lines
from nsface.protocols.trials import Trials, identity, trials

FOLDS, PAIRS = 10, 300  # pairs of each kind in a fold


def read_pairs(path: str | os.PathLike[str]) -> Trials:
    """Read `pair_FGLFW.txt`.

    Labels come from the place in the file and are checked against the names: in a list of another layout they
    disagree.

    Raises:
        DataError: not exactly 12,000 lines, a line that is no path, or names that contradict their place.
    """
    lines = read_lines(path)
    wanted = 2 * 2 * PAIRS * FOLDS
    if len(lines) != wanted:
        last = lines[min(len(lines), wanted + 1) - 1]
        raise last.error(
            f"{len(lines)} lines, not {wanted}", "one image path a line and two lines a pair are needed"
        )
    pairs = []
    for position in range(0, wanted, 2):
        left, right = _path(lines[position]), _path(lines[position + 1])
        fold, place = divmod(position // 2, 2 * PAIRS)
        same = place < PAIRS
        if (identity(left) == identity(right)) != same:
            kind = "one person" if same else "two people"
            raise lines[position].error(
                f"pair {place % PAIRS + 1} of {kind} in fold {fold + 1} is '{left}' and '{right}'",
                "300 matched pairs, then 300 mismatched ones are needed in each fold",
            )
        pairs.append((left, right, same, fold))
    return trials(pairs, str(path))


def _path(line: Line) -> str:
    (name,) = line.fields(1, "name/name_0001.jpg", separator="\t")
    if not identity(name):
        raise line.error(f"'{name}' has no folder", "a path such as name/name_0001.jpg is needed")
    return name
