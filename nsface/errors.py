"""Everything a user can cause.

Each message is one line that says what is wrong, where, and how to mend it. The command line prints it and
exits with status 2; anything else that escapes is a fault of ours (status 1).
"""

from __future__ import annotations

from collections.abc import Sequence


class NsfaceError(Exception):
    """Base of all errors that the user's input causes."""


class RecipeError(NsfaceError):
    """A recipe, or an option that overrides it, cannot be used."""


class DataError(NsfaceError):
    """Images, lists or embeddings cannot be used."""


class ModelError(NsfaceError):
    """A model file or checkpoint cannot be used."""


class DiskFull(NsfaceError):
    """A file cannot be written because the disk, or what one may write on it, is full."""


class DoubtfulResult(UserWarning):
    """A warning of `nsface.evaluate`: something makes a result doubtful, such as people in several folds."""


def listing(items: list[str], most: int = 10) -> str:
    """Join `items` for a message, at most `most` of them, with the number left out."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(map(shown, items[:most])) + more


def joined(items: Sequence[str], last: str = "and") -> str:
    """`joined(["a", "b", "c"])` → `a, b and c`."""
    return f" {last} ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def counted(number: int, noun: str) -> str:
    """`counted(1, "core")` → `1 core`, `counted(2, "core")` → `2 cores`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shown(text: object) -> str:
    r"""`text` as one line that a terminal, a table or a list can hold: what is not printable is escaped.

    Control characters, line breaks, marks that turn the direction of writing and bytes that are not UTF-8
    come from the names in other people's files; written as they are, they would command the terminal or
    stand for a line of their own.

    Example:
        >>> shown("p\x1b[31m/1.jpg")
        'p\\x1b[31m/1.jpg'
    """
    line = str(text)
    if line.isprintable():
        return line
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line
    )
