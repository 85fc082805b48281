"""The worst errors of a system, with faces: impostors accepted, and genuine pairs rejected."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from nsface.results import Result
from nsface.results.curves import Curves, WrongPair

Thumbnail = Callable[[str], bytes | None]  # JPEG of an image by its name; None where there is no such image


@dataclass(frozen=True)
class Faces:
    """A pair that was decided wrongly: its score, names and images, the latter as data URIs."""

    score: float
    names: tuple[str, str]
    images: tuple[str, str]


@dataclass(frozen=True)
class WorstErrors:
    """Pairs of both kinds, the worst first, of the system or run called `name`.

    Attributes:
        false_accepts: different people; the highest score is the worst.
        false_rejects: one person; the lowest score is the worst.
    """

    name: str
    false_accepts: list[Faces]
    false_rejects: list[Faces]


def find_worst_errors(name: str, result: Result, thumbnail: Thumbnail) -> WorstErrors | None:
    """The worst errors of `result` whose images are there; None where there are none."""
    curves = getattr(result, "curves", None)
    pairs = (curves.worst_errors or ()) if isinstance(curves, Curves) else ()
    accepts = sorted((pair for pair in pairs if not pair.same), key=lambda pair: -pair.score)
    rejects = sorted((pair for pair in pairs if pair.same), key=lambda pair: pair.score)
    found = WorstErrors(name, *([*_faces(kind, thumbnail)] for kind in (accepts, rejects)))
    return found if found.false_accepts or found.false_rejects else None


def _faces(pairs: list[WrongPair], thumbnail: Thumbnail) -> list[Faces]:
    found = []
    for pair in pairs:
        left, right = thumbnail(pair.left), thumbnail(pair.right)
        if left and right:
            found.append(Faces(pair.score, (pair.left, pair.right), (_uri(left), _uri(right))))
    return found


@cache
def _uri(image: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(image).decode("ascii")
