"""FGLFW (also called SLLFW): LFW's matched pairs and look-alike mismatched ones, in the same ten folds.

`pair_FGLFW.txt` has no header: one image path a line, two lines a pair. In each of ten folds 600 lines of
matched pairs are followed by 600 lines of mismatched ones. A list of that form with more or fewer pairs a
fold is read too, but is not FGLFW, and its results say so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from itertools import groupby
from statistics import median

from nsface.protocols.list_files import ListFile
from nsface.protocols.lists import Line, read_lines
from nsface.protocols.protocol import AnyPath, Found, OptionsError, option
from nsface.protocols.trials import Trials, identity, trials
from nsface.protocols.verification import VerificationProtocol
from nsface.results.official import PAIRS as OFFICIAL

FOLDS = 10
NAME = "fglfw"
LIKE = f"{NAME}-like"
PAIRS = OFFICIAL[NAME] // (2 * FOLDS)  # of each kind in a fold
_RUN = 20  # pairs of one kind in a row: in a list of images they are a few, of a person with very many


@dataclass(frozen=True)
class Fglfw(VerificationProtocol[Trials]):
    """Score EMBEDDINGS on FGLFW (SLLFW): ten folds of 300 matched and 300 look-alike mismatched pairs.

    A list of the same form with another number of pairs is scored too, under the name fglfw-like.

    Example:
      nsface eval-fglfw lfw.npz --pairs pair_FGLFW.txt
    """

    pairs: AnyPath = option("pair_FGLFW.txt.")
    _: KW_ONLY
    name: str | None = option(
        "Name of the list in the result.  [default: fglfw by its size, or fglfw-like]",
        default=None,
    )

    @classmethod
    def recognises(cls, file: ListFile) -> bool:
        """Whether lines are paths, of which neighbours are pairs of one kind in runs of one length, as in no
        list of images."""
        lines = file.lines
        if not lines or not file.mostly(lambda line: bool(identity(line)) and not line.split()[-1].isdigit()):
            return False
        same = [identity(a) == identity(b) for a, b in zip(lines[::2], lines[1::2], strict=False)]
        runs = [len(list(run)) for _, run in groupby(same)]
        alike = len(set(runs[:-1])) == 1 and len(runs) > 2 * FOLDS - 2
        return bool(same) and same[0] and len(runs) > 1 and (alike or median(runs) >= _RUN)

    @classmethod
    def found_among(cls, files: Sequence[ListFile]) -> Iterator[Found]:
        """A file called `fglfw-like…` is no FGLFW, whatever its size."""
        for found in super().found_among(files):
            path = found.lists[0]
            called = path.name.lower().replace("_", "-")
            yield replace(found, protocol=cls(path, name=LIKE)) if LIKE in called else found

    def read(self) -> Trials:
        read = read_pairs(self.pairs)
        if self.name == NAME and protocol_name(read) != NAME:
            raise OptionsError(f"{self.pairs} has {len(read)} pairs: it is not FGLFW; choose another `name`")
        return read

    def notes(self, lists: Trials) -> Sequence[str]:
        if protocol_name(lists) == NAME:
            return super().notes(lists)
        return (
            *super().notes(lists),
            f"{self.pairs}: {len(lists)} pairs, not the {OFFICIAL[NAME]:,} of FGLFW: the result is called "
            f"'{self.result_name(lists)}'",
        )

    def result_name(self, trials: Trials) -> str:
        return self.name or protocol_name(trials)


def read_pairs(path: str | os.PathLike[str]) -> Trials:
    """Read `pair_FGLFW.txt`, or a list that is laid out like it with another number of pairs.

    The number of lines gives that of the pairs. Labels come from the place in the file and are checked
    against the names: in a list of another layout, or one that was cut short, they disagree.

    Raises:
        DataError: lines that cannot be ten equal folds, a line that is no path, or names that contradict
            their place.
    """
    lines = read_lines(path)
    count, left_over = divmod(len(lines), 2 * 2 * FOLDS)
    if left_over:
        raise lines[-1].error(
            f"{len(lines)} lines are not {FOLDS} folds of as many matched as mismatched pairs",
            "one image path per line and two lines per pair are needed, "
            f"{4 * PAIRS * FOLDS:,} in pair_FGLFW.txt",
        )
    pairs = []
    for position in range(0, len(lines), 2):
        left, right = _path(lines[position]), _path(lines[position + 1])
        fold, place = divmod(position // 2, 2 * count)
        same = place < count
        if (identity(left) == identity(right)) != same:
            kind = "one person" if same else "two people"
            raise lines[position].error(
                f"pair {place % count + 1} of {kind} in fold {fold + 1} is '{left}' and '{right}'",
                f"{len(lines)} lines are {count} matched pairs, then {count} mismatched ones in each fold",
            )
        pairs.append((left, right, same, fold))
    return trials(pairs, str(path))


def protocol_name(wanted: Trials) -> str:
    """`fglfw` for a list of FGLFW's size, `fglfw-like` for any other."""
    return NAME if len(wanted) == OFFICIAL[NAME] else LIKE


def _path(line: Line) -> str:
    (name,) = line.fields(1, "name/name_0001.jpg", separator="\t")
    if not identity(name):
        raise line.error(f"'{name}' has no folder", "a path such as name/name_0001.jpg is needed")
    return name
