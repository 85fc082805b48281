"""Any list of pairs: `name<TAB>name<TAB>0|1`, with a fold as fourth column or without; CPLFW's and CALFW's.

`pairs_CPLFW.txt` and `pairs_CALFW.txt` have no header and two lines a pair, each `name label` with the label
repeated. 0 is a pair of different people. CALFW's positive labels are the folds, 1 to 10, of the pairs of one
person; those of different people, and all of CPLFW's, stand in the order of their folds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.errors import shown
from nsface.groups import connected_groups
from nsface.names import plain, stem
from nsface.protocols.list_files import ListFile, is_number
from nsface.protocols.lists import Line, read_lines, shorten
from nsface.protocols.protocol import AnyPath, Found, option
from nsface.protocols.scored_pairs import ScoredPairs
from nsface.protocols.trials import Trials, identity, trials
from nsface.protocols.verification import VerificationProtocol

FOLDS = 10
TWO_LINES = 3000  # pairs of each kind in CPLFW and in CALFW
_LABELLED = re.compile(r"\S+\.\w+\s+(?:[0-9]|10)")  # a line of theirs


@dataclass(frozen=True)
class OwnTrials(Trials):
    """Pairs, and the source of their folds: `given` by the list, made here, or `none`."""

    fold_source: str = "given"


@dataclass(frozen=True)
class Pairs(VerificationProtocol[OwnTrials]):
    """Score EMBEDDINGS on your own list of pairs, or on CPLFW or CALFW.

    Accuracy needs folds. If the list has none, ten folds that share no person are made where that is
    possible; a person is the folder of a name.

    Examples:
      nsface eval-pairs faces.npz --pairs my-pairs.txt
      nsface eval-pairs cplfw.npz --pairs pairs_CPLFW.txt
    """

    pairs: AnyPath = option(
        "name<TAB>name<TAB>0|1 per line, optionally <TAB>fold; or pairs_CPLFW.txt, pairs_CALFW.txt."
    )

    @classmethod
    def recognises(cls, file: ListFile) -> bool:
        def is_pair(line: str) -> bool:
            fields = line.split("\t")
            return len(fields) in (3, 4) and fields[2] in ("0", "1") and not is_number(fields[0] + fields[1])

        return file.mostly(is_pair) or _has_two_lines_a_pair(file)

    @classmethod
    def found_among(cls, files: Sequence[ListFile]) -> Iterator[Found]:
        for found in super().found_among(files):
            lines = next(file.lines for file in files if file.path == found.lists[0])
            yield replace(found, title=_title(lines))

    def read(self) -> OwnTrials:
        read, source = read_pairs(self.pairs), "given"
        if read.folds < 2:
            made = with_disjoint_folds(read)
            source = f"{FOLDS}, made so that none share a person" if made else "none"
            read = made or read
        return OwnTrials(read.left, read.right, read.same, read.fold, read.source, source)

    def notes(self, lists: OwnTrials) -> Sequence[str]:
        if lists.fold_source != "none":
            return super().notes(lists)
        return (
            *super().notes(lists),
            f"{shown(self.pairs)}: {FOLDS} disjoint folds cannot be made: no accuracy; add a fold column",
        )

    def score(self, embeddings: Embeddings, trials: OwnTrials) -> ScoredPairs:
        return replace(super().score(embeddings, trials), details={"fold_source": trials.fold_source})


def _has_two_lines_a_pair(file: ListFile) -> bool:
    """Whether lines are `name label` as in CPLFW and CALFW, two of each label in a row.

    A list of images with the number of their class has other numbers too, or folders that contradict them.
    """
    if not file.mostly(lambda line: bool(_LABELLED.fullmatch(line.strip()))):
        return False
    parts = [line.rsplit(None, 1) for line in file.lines if len(line.split()) > 1]
    both = list(zip(parts[::2], parts[1::2], strict=False))
    sound = 0
    for (left, label), (right, other) in both:
        people = {identity(left), identity(right)}
        sound += label == other and ("" in people or (len(people) == 1) == (label != "0"))
    return 10 * sound > 9 * len(both)


def _title(lines: Sequence[str]) -> str:
    """CALFW and CPLFW by their labels, which are folds in CALFW alone."""
    if "\t" in lines[0] and len(lines[0].split("\t")) > 2:
        return ""
    return "CALFW" if any(line.split()[-1:] > ["1"] for line in lines) else "CPLFW"


def read_pairs(path: str | os.PathLike[str]) -> Trials:
    """Read a list of pairs. Without a fold column all pairs are in one fold, except in CPLFW and CALFW.

    Raises:
        DataError: a malformed line, a pair of one image with itself, a pair with two labels, or folds on some
            lines only.
    """
    lines = read_lines(path)
    if is_two_lines(lines):
        return _two_lines(lines, str(path))
    with_folds = lines[0].text.count("\t") == 3
    expected = "name<TAB>name<TAB>0|1" + ("<TAB>fold" if with_folds else "")
    pairs, labelled = [], _Labelled()
    for line in lines:
        fields = line.fields(3 + with_folds, expected, separator="\t")
        fold = line.integer(fields[3], "fold", lowest=0) if with_folds else 0
        left, right = labelled.pair(line, fields[0], fields[1], line.flag(fields[2]))
        pairs.append((left, right, line.flag(fields[2]), fold))
    return trials(pairs, str(path))


class _Labelled:
    """The pairs met so far, in either order and whatever their extensions, with label and line."""

    def __init__(self) -> None:
        self._seen: dict[frozenset[str], tuple[bool, int]] = {}

    def pair(self, line: Line, first: str, second: str, same: bool) -> tuple[str, str]:
        """Both names without empty parts; a DataError where they are one, or were labelled otherwise."""
        left, right = plain(first), plain(second)
        key = frozenset((stem(left), stem(right)))
        if len(key) < 2:
            raise line.error(f"'{shown(left)}' is paired with itself", "two images are needed")
        before, number = self._seen.setdefault(key, (same, line.number))
        if before != same:
            raise line.error(
                f"'{shown(left)}' and '{shown(right)}' are {_kind(same)} here and {_kind(before)} in line "
                f"{number}",
                "correct one of them",
            )
        return left, right


def _kind(same: bool) -> str:
    return "one person" if same else "different people"


def is_two_lines(lines: list[Line]) -> bool:
    """Whether a list has the form of CPLFW and CALFW: a name and a number, and no tab between two names."""
    parts = lines[0].text.split()
    return len(parts) == 2 and parts[1].isascii() and parts[1].isdigit()


def _two_lines(lines: list[Line], source: str) -> Trials:
    pairs, labelled = [], _Labelled()
    for first, second in zip(lines[::2], [*lines[1::2], None], strict=False):
        (left, label), (right, other) = _name_and_label(first), _name_and_label(second or first)
        if second is None:
            raise first.error("the last line has no second one", "two lines per pair are needed")
        if label != other:
            raise second.error(
                f"label {other}, and {label} in line {first.number}: they are one pair", "correct one of them"
            )
        left, right = labelled.pair(second, left, right, label > 0)
        pairs.append((left, right, label > 0, label))
    same = np.array([pair[2] for pair in pairs])
    folds = _folds(same, np.array([pair[3] for pair in pairs]))
    placed = zip(pairs, folds.tolist(), strict=True)
    return trials([(left, right, kind, fold) for (left, right, kind, _), fold in placed], source)


def _name_and_label(line: Line) -> tuple[str, int]:
    parts = line.text.rsplit(None, 1)
    if len(parts) != 2:
        raise line.error(f"'{shorten(line.text)}' is not 'name label'", "2 fields are needed")
    label = line.integer(parts[1], "label", lowest=0)
    if label > FOLDS:
        raise line.error(f"label {label}", f"0 (different), 1 (same), or the fold, 1 to {FOLDS}, is needed")
    return parts[0].strip(), label


def _folds(same: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(P,) fold of each pair: the labels, where pairs of one person have ten of them; else, in a list of
    CPLFW's size, ten equal runs of each kind of pair in the order of the list; else all in one."""
    folds = np.zeros(len(same), dtype=np.int64)
    numbered = len(np.unique(labels[same])) == FOLDS
    if not numbered and (same.sum() != TWO_LINES or (~same).sum() != TWO_LINES):
        return folds
    for kind in (same, ~same):
        folds[kind] = np.arange(kind.sum()) * FOLDS // max(1, kind.sum())
    if numbered:
        folds[same] = labels[same] - 1
    return folds


def with_disjoint_folds(wanted: Trials, folds: int = FOLDS) -> Trials | None:
    """The same pairs in `folds` folds that share no person; None where that cannot be done.

    People linked by a pair must stay together. Groups so linked are dealt out, the largest first, each to the
    fold with the fewest pairs. It fails where names have no folder that says who they are, where there are
    fewer groups than folds, where one group is so large that its fold would hold more than twice its share,
    or where the labels contradict the folders.
    """
    people = [identity(name) for name in wanted.left + wanted.right]
    if not all(people) or not wanted.folders_are_people:
        return None
    group = _linked(people)
    sizes = np.bincount(group)
    if len(sizes) < folds:
        return None
    filled = np.zeros(folds, dtype=np.int64)
    fold_of = np.empty(len(sizes), dtype=np.int64)
    for number in np.argsort(-sizes, kind="stable"):
        fold_of[number] = np.argmin(filled)
        filled[fold_of[number]] += sizes[number]
    if filled.max() > 2 * len(wanted) / folds:
        return None
    return replace(wanted, fold=fold_of[group])


def _linked(people: list[str]) -> npt.NDArray[np.int64]:
    """(P,) group of each pair, from 2P people, left ones first; people of one pair are in one group."""
    numbers: dict[str, int] = {}
    person = np.array([numbers.setdefault(name, len(numbers)) for name in people], dtype=np.int64)
    left, right = np.split(person, 2)
    return connected_groups(left, right, len(numbers))[left]
