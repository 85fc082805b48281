"""What a comparison of a training set with a test set found: people who seem to be in both."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, shown
from nsface.run_folder import Way

Order = Literal["score", "lead"]


@dataclass(frozen=True)
class Match:
    """A training identity and the person of the test set who may be the same.

    Attributes:
        identity, person: their names in the training set and in the test set.
        score: cosine of their templates.
        by_name: whether they have one name.
        by_picture: whether a picture is in both sets.
        lead: how far the score is above the person's with any other identity; below 0 where another
            identity is more like the person. Without another, its score counts as −1.
        images: the picture in both sets, or their most similar two images.
        image_score: cosine of these two, near 1 for a picture that is in both sets.
        candidates: the best persons for this identity with their scores, best first.
    """

    identity: str
    person: str
    score: float
    by_name: bool
    by_picture: bool
    lead: float
    images: tuple[str, str]
    image_score: float
    candidates: tuple[tuple[str, float], ...]

    def to_json(self) -> dict[str, Any]:
        people = [{"person": person, "score": score} for person, score in self.candidates]
        return asdict(self) | {"candidates": people}


@dataclass(frozen=True)
class Overlap:
    """How a training set was compared with a test set, and who of it seems to be in the test set.

    Attributes:
        train, test: embeddings of both sets.
        matches: of every training identity with the person who is most like it, the highest `order` first.
        order: `score` or `lead`.
        named: how many training identities have a name to compare; with none, names were not compared.
        pictures: whether pictures were compared.
        threshold: the cosine from which two identities count as one person; None: embeddings do not decide.
    """

    train: Embeddings
    test: Embeddings
    matches: list[Match]
    order: Order
    named: int
    pictures: bool
    threshold: float | None

    @property
    def found_by(self) -> dict[Way, list[str]]:
        """Identities that seem to be in the test set, by each way in which the sets were compared."""
        found: dict[Way, list[str]] = {}
        if self.named:
            found["names"] = [match.identity for match in self.matches if match.by_name]
        if self.pictures:
            found["pictures"] = [match.identity for match in self.matches if match.by_picture]
        if self.threshold is not None:
            found["embeddings"] = [m.identity for m in self.matches if m.score >= self.threshold]
        return found

    @property
    def found(self) -> list[Match]:
        """Matches of the identities that seem to be in the test set, in whichever way they were found."""
        identities = {identity for found in self.found_by.values() for identity in found}
        return [match for match in self.matches if match.identity in identities]

    def first(self, number: int) -> list[Match]:
        """The first `number` matches, those found before the rest; all that were found, if they are more."""
        found = self.found
        identities = {match.identity for match in found}
        rest = [match for match in self.matches if match.identity not in identities]
        return found + rest[: max(0, number - len(found))]

    def to_json(self, number: int) -> dict[str, Any]:
        """The documented JSON object, with the matches of `first(number)`."""
        return {
            "train": self.train.source,
            "test": self.test.source,
            "model_digest": self.train.meta.get("model_digest"),
            "threshold": self.threshold,
            "pictures": self.pictures,
            "sorted_by": self.order,
            "identities": len(self.matches),
            "named": self.named,
            "compared": list(self.found_by),
            "found": [match.identity for match in self.found],
            "matches": [match.to_json() for match in self.first(number)],
        }

    def exclusion_list(self) -> str:
        """The identities found, one a line, as a recipe's `exclude:` reads them from a file.

        Raises:
            DataError: a line cannot hold the name of an identity.
        """
        ways = ["by name"] * bool(self.named) + ["by a picture"] * self.pictures
        ways += [] if self.threshold is None else [f"by a cosine of at least {self.threshold:g}"]
        how = " or ".join(ways) or "but nothing says who it is"
        sets = f"identities of {shown(self.train.source)} that seem to be in {shown(self.test.source)}"
        found = sorted(match.identity for match in self.found)
        return "\n".join([f"# {sets}, {how}", *map(_fitting_a_line, found), ""])


def _fitting_a_line(identity: str) -> str:
    """`identity`, if a line of the list for `exclude:` can hold it as it is."""
    fits = identity.splitlines() == [identity] == [identity.strip()] and not identity.startswith("#")
    try:
        identity.encode()
    except UnicodeEncodeError:
        fits = False
    if not fits:
        raise DataError(
            f"a line of the list for exclude: cannot hold the identity '{shown(identity)}'; rename it, or "
            "list those found by hand under exclude: in the recipe"
        )
    return identity
