"""LFW's lists: `pairs.txt` (View 2), `pairsDevTrain.txt` and `pairsDevTest.txt` (View 1), `people.txt`.

`pairs.txt` has a header `folds<TAB>n`, then for every fold n lines `name i j` (one person) and n lines
`name1 i name2 j` (two people). View 1 lists have one number, n, as header. Fields are separated by white
space.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, shown
from nsface.names import has_image_extension
from nsface.protocols.list_files import ListFile, distinct, is_number, nearest
from nsface.protocols.lists import Line, blocks, read_lines
from nsface.protocols.protocol import AnyPath, Found, option
from nsface.protocols.scored_pairs import ScoredPairs
from nsface.protocols.trials import Trials, trials
from nsface.protocols.verification import VerificationProtocol, verify

MOST_IMAGES = 1_000_000  # in a list of people: LFW has 13,233
VIEW_1 = {"1100": "train", "500": "test"}  # the headers of its lists


@dataclass(frozen=True)
class LfwTrials(Trials):
    """LFW's pairs, and what else is read with them.

    Attributes:
        training: pairs that the threshold is taken from, where the list has no folds.
        corrected: the same pairs with corrected labels.
    """

    training: Trials | None = None
    corrected: Trials | None = None


@dataclass(frozen=True)
class Lfw(VerificationProtocol[LfwTrials]):
    """Score EMBEDDINGS on LFW verification.

    Accuracy is the mean over ten folds, each at the threshold chosen on the other nine, with its standard
    error and 95 % intervals. AUC, EER and TAR at attainable FAR are reported too.

    Examples:
      nsface eval-lfw lfw.npz --pairs pairs.txt
      nsface eval-lfw lfw.npz --pairs pairsDevTest.txt --train-pairs pairsDevTrain.txt
      nsface eval-lfw --model runs/a/model.safetensors --images lfw/ --pairs pairs.txt --json - | jq .accuracy
    """

    pairs: AnyPath = option("LFW's pairs.txt, or a View 1 list.")
    _: KW_ONLY
    train_pairs: AnyPath | None = option("Choose the threshold on this list (View 1).", default=None)
    errata: AnyPath | None = option("A file of corrected labels: image, image, 0|1 per line.", default=None)

    @classmethod
    def found_among(cls, files: Sequence[ListFile]) -> Iterator[Found]:
        lists = distinct(filter(_is_pairs, files))
        for file in lists:
            if _view_1(file) is None:
                yield Found(cls(file.path), [file.path], "LFW View 2", copies=file.copies)
        training = [file for file in lists if _view_1(file) == "train"]
        for test in (file for file in lists if _view_1(file) == "test"):
            title = "LFW View 1"
            if train := nearest(test, training):
                training.remove(train)
                protocol = cls(test.path, train_pairs=train.path)
                yield Found(protocol, [train.path, test.path], title, copies=[*train.copies, *test.copies])
            else:
                problem = "there is no list for the threshold: pairsDevTrain.txt is missing"
                yield Found(None, [test.path], title, problem, test.copies)
        for train in training:
            problem = "there is no list to score: pairsDevTest.txt is missing"
            yield Found(None, [train.path], "LFW View 1", problem, train.copies)

    def needed(self, embeddings: Embeddings, lists: LfwTrials) -> Sequence[str]:
        training = lists.training
        return [*super().needed(embeddings, lists), *(training.left + training.right if training else ())]

    def read(self) -> LfwTrials:
        read = read_pairs(self.pairs)
        training = read_pairs(self.train_pairs) if self.train_pairs else None
        corrected = read.with_labels(self.errata) if self.errata else None
        return LfwTrials(read.left, read.right, read.same, read.fold, read.source, training, corrected)

    def score(self, embeddings: Embeddings, trials: LfwTrials) -> ScoredPairs:
        scoring = self.scoring | {"training": trials.training}
        scored = verify("lfw", embeddings, trials, **scoring)
        if trials.corrected is None:
            return scored
        return replace(scored, corrected=verify("lfw", embeddings, trials.corrected, **scoring))


def _is_pairs(file: ListFile) -> bool:
    """Whether lines are `name i j` or `name1 i name2 j`; a header is not asked for."""

    def is_pair(line: str) -> bool:
        fields = line.split()
        numbers = fields[1:] if len(fields) == 3 else fields[1::2]
        return len(fields) in (3, 4) and all(map(is_number, numbers)) and _is_name(fields[0])

    return file.mostly(is_pair)


def _view_1(file: ListFile) -> str | None:
    """`train` or `test` for a list of View 1, by its size, else by its name; None for one of View 2."""
    header = file.lines[0].split()
    if len(header) != 1:
        return None
    return VIEW_1.get(header[0]) or ("train" if "train" in file.path.name.lower() else "test")


def _is_name(text: str) -> bool:
    """Whether `text` may be a person, and is neither a number nor an image."""
    return not (is_number(text) or "/" in text or has_image_extension(text))


def is_people(file: ListFile) -> bool:
    """Whether lines are `name<TAB>images`, below one number or two."""

    def is_person(line: str) -> bool:
        fields = line.split()
        return len(fields) == 2 and is_number(fields[1]) and _is_name(fields[0])

    return bool(file.lines) and is_number(file.lines[0].strip()) and file.mostly(is_person, skip=1)


def image(name: str, number: int) -> str:
    """The name of LFW's image `number`, from 1, of the person `name`.

    Example:
        >>> image("Aaron_Eckhart", 1)
        'Aaron_Eckhart/Aaron_Eckhart_0001.jpg'
    """
    return f"{name}/{name}_{number:04d}.jpg"


def read_pairs(path: str | os.PathLike[str]) -> Trials:
    """Read `pairs.txt` (View 2), or a View 1 list, whose pairs are all in fold 0.

    Raises:
        DataError: a malformed line, or not exactly as many pairs as the header says.
    """
    header, *rest = read_lines(path)
    folds, count = _header(header)
    wanted = folds * 2 * count
    pairs = []
    for position, line in enumerate(rest[:wanted]):
        fold, place = divmod(position, 2 * count)
        same = place < count
        left, right = (_matched if same else _mismatched)(
            line, f" (pair {place % count + 1} of fold {fold + 1})"
        )
        pairs.append((left, right, same, fold))
    if len(rest) > wanted:
        raise rest[wanted].error(
            f"a line beyond the {wanted} pairs of the header", "remove it or correct the header"
        )
    if len(pairs) < wanted:
        last = rest[-1] if rest else header
        raise last.error(f"the list ends after {len(pairs)} of {wanted} pairs", "get the whole list")
    return trials(pairs, str(path))


def _header(line: Line) -> tuple[int, int]:
    parts = line.text.split()
    if len(parts) not in (1, 2):
        raise line.error(
            "the header is missing", "a first line `folds<TAB>pairs`, such as `10<TAB>300`, is needed"
        )
    numbers = [line.integer(part, "count") for part in parts]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (1, numbers[0])


def _matched(line: Line, where: str) -> tuple[str, str]:
    name, first, second = line.fields(3, "name i j", where)
    i, j = line.integer(first, "image number"), line.integer(second, "image number")
    if i == j:
        raise line.error(f"image {i} of {name} is paired with itself", "two images are needed")
    return image(name, i), image(name, j)


def _mismatched(line: Line, where: str) -> tuple[str, str]:
    name1, first, name2, second = line.fields(4, "name1 i name2 j", where)
    if name1 == name2:
        raise line.error(f"'{name1}' is paired with the same name", "two different people are needed here")
    return image(name1, line.integer(first, "image number")), image(
        name2, line.integer(second, "image number")
    )


@dataclass(frozen=True)
class Person:
    """One line of `people.txt`: a name and how many images there are of it."""

    name: str
    images: int


def read_people(path: str | os.PathLike[str]) -> list[list[Person]]:
    """Read `people.txt`: a number of folds, then for each a count and as many lines `name<TAB>images`.

    View 1 lists (`peopleDevTrain.txt`) have no number of folds: they are one fold.

    Returns:
        The people of each fold, in the order of the file.

    Raises:
        DataError: a malformed line, a name listed twice, counts that do not fit the lines, or more than a
            million images.
    """
    lines = read_lines(path)
    read = _people(lines)
    if (images := sum(person.images for fold in read for person in fold)) > MOST_IMAGES:
        raise DataError(
            f"{shown(path)}: {images:,} images of its people, more than {MOST_IMAGES:,}; correct them"
        )
    return read


def _people(lines: list[Line]) -> list[list[Person]]:
    second_is_count = len(lines) > 1 and len(lines[1].text.split()) == 1
    folds = lines[0].integer(lines[0].text.strip(), "number of folds") if second_is_count else 1
    seen: set[str] = set()
    return [
        [_person(line, seen) for line in fold]
        for fold in blocks(lines, int(second_is_count), folds, "fold", "people")
    ]


def _person(line: Line, seen: set[str]) -> Person:
    name, count = line.fields(2, "name<TAB>images")
    if name in seen:
        raise line.error(f"'{name}' is listed twice", "remove one")
    seen.add(name)
    return Person(name, line.integer(count, "number of images"))
