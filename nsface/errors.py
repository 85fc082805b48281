"""Everything a user can cause.

Each message is one line that says what is wrong, where, and how to mend it. The command line prints it and
exits with status 2; anything else that escapes is a fault of ours (status 1).
"""


class NsfaceError(Exception):
    """Base of all errors that the user's input causes."""


class RecipeError(NsfaceError):
    """A recipe, or an option that overrides it, cannot be used."""


class DataError(NsfaceError):
    """Images, lists or embeddings cannot be used."""


class ModelError(NsfaceError):
    """A model file or checkpoint cannot be used."""


def listing(items: list[str], shown: int = 10) -> str:
    """Join `items` for a message, at most `shown` of them, with the number left out."""
    more = f" and {len(items) - shown} more" if len(items) > shown else ""
    return ", ".join(items[:shown]) + more
