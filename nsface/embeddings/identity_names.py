"""Names of identities, compared across sets of images: without case, accents and the signs between words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from nsface.errors import DataError, shown
from nsface.text import text_lines


def identity_of(image: str) -> str:
    """The identity that the image called IDENTITY/IMAGE.jpg shows; '' where no folder says who it is."""
    return image.rpartition("/")[0]


def comparable(name: str) -> str:
    """A name to compare: the last folder with a word (a video's is a number), without case, accents and signs
    between words; '' where there is none.

    Example:
        >>> comparable("ytf/Zoë_Ball/12")
        'zoe ball'
    """
    for folder in reversed(name.split("/")):
        decomposed = unicodedata.normalize("NFKD", folder)
        letters = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
        words = "".join(c if c.isalnum() else " " for c in letters).split()
        if any(word.isalpha() for word in words):
            return " ".join(words)
    return ""


def named_identities(
    train: Iterable[str], test: Iterable[str], names: Mapping[str, str] | None = None
) -> int:
    """How many identities of a training set have a name to compare with those of a test set.

    Numbers are no names, nor are numbers with a word before them (`celeba_00001`), unless the test set has
    such with the same word.

    Args:
        train, test: the images of both sets, called IDENTITY/IMAGE.jpg.
        names: names of training identities, where they are called otherwise.
    """
    people = {comparable(identity) for identity in {identity_of(image) for image in test}} - {""}
    if not people:
        return 0
    series = set(map(_words_before_number, people)) - {None}
    identities = {identity_of(image) for image in train}
    called = [comparable((names or {}).get(identity, identity)) for identity in identities]
    return sum(
        name != "" and (_words_before_number(name) is None or _words_before_number(name) in series)
        for name in called
    )


def _words_before_number(name: str) -> str | None:
    """Of a comparable name with a number its words; None of one without."""
    words = name.split()
    return None if all(map(str.isalpha, words)) else " ".join(filter(str.isalpha, words))


def read_names(path: Path) -> dict[str, str]:
    """Read names of identities: `identity name` a line, between them a tab, a comma or a blank.

    Blank lines and lines that start with `#` are passed over.

    Raises:
        DataError: cannot be read, a line without a name, or an identity with two; file and line are named.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text_lines(path), start=1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        separator = next((mark for mark in "\t," if mark in entry), " ")
        identity, _, rest = entry.partition(separator)
        name = rest.split(separator)[0].strip(' "') if separator != " " else rest.strip(' "')
        if not name:
            raise DataError(
                f"{shown(path)}:{number}: an identity and its name are needed, not {entry[:60]!r}"
            )
        before = found.setdefault(identity.strip(), name)
        if before != name:
            raise DataError(
                f"{shown(path)}:{number}: {shown(identity.strip())} is called '{shown(name)}' here and "
                f"'{shown(before)}' before; remove one"
            )
    return found
