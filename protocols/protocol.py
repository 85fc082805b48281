"""What a protocol is: a frozen dataclass whose fields are its lists and options, and four methods.

    embeddings ─┐
    lists ── read ── measure ── result          compare (two measurements of the same lists)

Each field is an option of the command `eval-NAME` and an argument of `nsface.evaluate.NAME`: its annotation
says what may be given (`AnyPath`, a `bool`, a `Literal` of choices, a number, or a tuple of them), and
`option` says what it means.
"""

from __future__ import annotations

import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from nsface.embeddings.file import Embeddings
from nsface.errors import NsfaceError
from nsface.protocols.list_files import ListFile
from nsface.ranges import between, one_of
from nsface.results.base import Result
from nsface.results.comparison import Comparison
from nsface.results.curves import Curves

AnyPath = str | os.PathLike[str]
Advance = Callable[[int], object]
Start = Callable[[int, str], Advance]  # of a number of steps, and what they are called
Bounds = tuple[float, float]
FAR: Bounds = (0, 1)
DIMENSIONS: Bounds = (1, 65_536)


class OptionsError(NsfaceError):
    """Options that do not go together, one that is missing, or a value that it may not have.

    The message has the names of options in backticks, as arguments of a function; the command line shows them
    as they are typed there.
    """


def option(
    meaning: str,
    *,
    metavar: str | None = None,
    bounds: Bounds | None = None,
    **field: Any,
) -> Any:
    """A field of a protocol: an option of its command.

    Args:
        meaning: the help of the option, a sentence or two, with the names of other options in backticks.
        metavar: what stands for the value in the help.
        bounds: the lowest and the highest number allowed.
        field: what `dataclasses.field` takes; without a default the option is required.
    """
    metadata = {"help": meaning, "metavar": metavar, "bounds": bounds}
    return dataclasses.field(metadata=metadata, **field)


def _check_value(name: str, value: Any, hint: Any, bounds: Bounds | None) -> None:
    """Raise a ValueError where an option cannot have `value`: by its annotation `hint`, or its bounds."""
    kinds = [kind for kind in (hint, *get_args(hint)) if get_origin(kind) in (tuple, Literal)]
    several = isinstance(value, tuple | list)
    if Embeddings in get_args(hint) and not isinstance(value, Embeddings):
        raise ValueError(f"{name} takes embeddings: nsface.load_embeddings reads them from a file")
    for kind in kinds:
        if get_origin(kind) is Literal:
            one_of(name, value, kind)
        elif not several:
            raise ValueError(f"{name} takes several values: write [{value!r}]")
    if bounds:
        whole = int in (hint, *get_args(hint))
        for number in value if several else [value]:
            fits = isinstance(number, Integral if whole else Real)
            if not fits:
                raise ValueError(f"{name} takes {'whole ' * whole}numbers, not {number!r}")
            between(name, number, *bounds)


def scored_embeddings(embeddings: Embeddings | None) -> dict[str, Any]:
    """The fields of a result that say what was scored: all None where the scores were computed elsewhere."""
    if embeddings is None:
        return {}
    made = {key: embeddings.meta.get(key) for key in ("flip", "rendered")}
    return {"embeddings": embeddings.source, **made}


class Measurement(ABC):
    """What was measured, with the scores and curves behind the result.

    Attributes:
        notes: sentences on what makes the result doubtful.
    """

    notes: Sequence[str]

    @abstractmethod
    def result(self) -> Result:
        """The result, which needs neither scores nor embeddings any more."""

    @abstractmethod
    def curves(self, name: str, points: int) -> Mapping[str, Curves]:
        """Curves of at most `points` points, for figures: by the name of the system, or of each trial."""


@dataclass(frozen=True)
class Found:
    """Lists in a folder that belong together.

    Attributes:
        protocol: what scores them; None where one of them is missing.
        lists: the files, or the folders of trials, that are there.
        title: what to call what they measure; '' for the title of the result.
        problem: what is missing, where there is no protocol.
        copies: files, or folders, with the same content, which are not scored again.
    """

    protocol: Protocol[Any, Any] | None
    lists: Sequence[Path]
    title: str = ""
    problem: str = ""
    copies: Sequence[Path] = ()


@dataclass(frozen=True)
class Missing:
    """What of the images, or videos, that lists need is not there.

    Attributes:
        kind: `images` or `videos`.
        names: those that are not there.
        needed: how many the lists need.
    """

    kind: str
    names: list[str]
    needed: int


L = TypeVar("L")
M = TypeVar("M", bound=Measurement)


class Protocol(ABC, Generic[L, M]):
    """Lists and options of an evaluation. L is what its lists are read into, M what measures them.

    Attributes:
        comparable: for `compare`, the name of each option that says what both systems are scored on, and the
            field that it gives; empty where two systems cannot be compared.
        carries_images: whether the images lie in the list itself: only a model can be scored on it.
        numbers_images: whether images are numbered, so that another list may call other images alike.
    """

    comparable: ClassVar[Mapping[str, str]] = {}
    carries_images: ClassVar[bool] = False
    numbers_images: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check every option against its annotation and its bounds.

        Raises:
            OptionsError: a choice that there is not, a number out of its range, or a value of another kind.
        """
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value is not None:
                try:
                    _check_value(f"`{field.name}`", value, hints[field.name], field.metadata.get("bounds"))
                except ValueError as error:
                    raise OptionsError(str(error)) from error

    @classmethod
    def found_among(cls, files: Sequence[ListFile]) -> Iterator[Found]:
        """The lists of this protocol that `eval-all` can tell among `files` by their content; none, unless a
        protocol says how."""
        return iter(())

    @abstractmethod
    def read(self) -> L:
        """Read the lists, before any embeddings are made.

        Raises:
            DataError: a list that is missing or malformed.
        """

    def notes(self, lists: L) -> Sequence[str]:
        """Sentences on how the lists differ from the official ones."""
        return ()

    def template_of(self, lists: L) -> Callable[[str], str | None] | None:
        """Where images are pooled while they are extracted: the template of an image's name, None to leave it
        out. None: every image has an embedding of its own."""
        return None

    def missing(self, embeddings: Embeddings, lists: L) -> Missing | None:
        """What the lists need and has no embedding; None where all is there. No vector is looked at."""
        images = list(dict.fromkeys(self.needed(embeddings, lists)))
        there = embeddings.has(images)
        absent = [name for name, found in zip(images, there, strict=True) if not found]
        return Missing("images", absent, len(images)) if absent else None

    def needed(self, embeddings: Embeddings, lists: L) -> Sequence[str]:
        """The names of the images that the lists need, some of which may depend on the names there are."""
        return ()

    @abstractmethod
    def measure(self, embeddings: Embeddings, lists: L, start: Start | None = None) -> M:
        """Score the lists.

        Args:
            start: called where it takes long, with a number of steps and what they are; what it returns is
                called with the number of steps done since the last call.

        Raises:
            DataError: images without an embedding, or lists that cannot be measured.
        """

    def compare(self, first: M, second: M) -> Comparison:
        """The differences of two systems on the same lists.

        Raises:
            DataError: what was measured cannot be compared.
        """
        raise NsfaceError(f"there is no comparison for {type(self).__name__}")

    def evaluate(self, embeddings: Embeddings) -> Result:
        """Read the lists and score `embeddings` on them."""
        return self.measure(embeddings, self.read()).result()
