"""What less careful evaluations would have printed beside a result, and what the result rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from nsface.checked import Count, Share
from nsface.results.text import WIDTH, columns, named_values, percent, wrapped
from nsface.results.values import Number, left_out, rounded

_MOST_LISTS = 4  # that a table names


@dataclass(frozen=True, kw_only=True)
class Careless:
    """A figure as a less careful evaluation would have printed it.

    Attributes:
        name: identifies what it does, such as `test_pairs_by_fold`; docs/protocols.md lists the names.
        practice: the same in words.
        figure: what it prints, such as `accuracy` or `TAR at FAR 1 %`.
        value: what it prints.
        honest: the figure of the result; None where the result has none.
        achieved_far: of a TAR or DIR, the FAR at its threshold; None for other figures, and where there is no
            such threshold.
    """

    derived: ClassVar[Mapping[str, str]] = {"honest": "difference"}

    name: str
    practice: str
    figure: str
    value: Share
    honest: Share | None
    achieved_far: Share | None = left_out()

    @property
    def difference(self) -> Number | None:
        """How far `value` is above `honest`."""
        return None if self.honest is None else rounded(self.value) - rounded(self.honest)


@dataclass(frozen=True, kw_only=True)
class ListFile:
    """A list that was read.

    Attributes:
        path: as it was given.
        sha256: of its content; None for what is no file: a folder without lists, or a pipe.
    """

    path: str
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How the faces were aligned, as far as the embeddings file says.

    Attributes:
        template: of five points, by name.
        size: height and width of the images.
        detector: what found the points: `mtcnn`, `yunet` or `landmarks` (a file).
    """

    template: str | None = None
    size: tuple[Count, Count] | None = None
    detector: str | None = None


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Less careful figures beside those of a result, and what decides whether others may be compared with it.

    Attributes:
        figures: grouped by figure.
        lists: every list that was read.
        alignment: of the faces.
        flip: what the embeddings file says of mirrored images; None where it says nothing.
        model, model_digest: the model file and its SHA-256, as far as the embeddings file says.
    """

    figures: tuple[Careless, ...]
    lists: tuple[ListFile, ...] = ()
    alignment: Alignment = Alignment()
    flip: str | None = None
    model: str | None = None
    model_digest: str | None = None

    def table(self, width: int = WIDTH) -> str:
        """The block that the command line prints below the table of the result."""
        rows: list[tuple[str, ...]] = [("", "value", "difference", "at FAR")]
        figure = ""
        for one in self.figures:
            if one.figure != figure:
                figure = one.figure
                rows.append((figure, percent(one.honest), "as measured", ""))
            difference = "–" if one.difference is None else points(one.difference)
            far = "" if one.achieved_far is None else f"{100 * one.achieved_far:.3g} %"
            rows.append((f"  {one.practice}", percent(one.value), difference, far))
        title = wrapped("audit: what less careful evaluations print of these scores", width)
        figures = [line.rstrip() for line in columns(rows, width=width).split("\n")]
        return "\n".join([title, *figures, named_values(self.facts(), width)])

    def facts(self) -> list[tuple[str, str]]:
        """The lists, the alignment, the flip mode and the model, each with its name."""
        rows = [("lists", f"{len(self.lists)} files; --json has the SHA-256 of each")]
        if len(self.lists) <= _MOST_LISTS:
            digests = [(one.path, one.sha256 or "unknown, it is no file") for one in self.lists]
            rows = [row for path, digest in digests for row in (("list", path), ("SHA-256", digest))]
        made = self.alignment
        size = f"{made.size[0]} × {made.size[1]} (height × width)" if made.size else "size unknown"
        template, detector = (what or "unknown" for what in (made.template, made.detector))
        rows.append(("alignment", f"template {template}, {size}, detector {detector}"))
        rows.append(("flip", self.flip or "unknown"))
        return [*rows, ("model", self.model or "unknown"), ("SHA-256", self.model_digest or "unknown")]


def points(difference: float) -> str:
    """A difference of two fractions in points of per cent, with its sign.

    Example:
        >>> points(0.0125), points(-0.001), points(0.0)
        ('+1.25 points', '−0.10 points', '0.00 points')
    """
    text = f"{round(100 * difference, 2) + 0.0:+.2f}".replace("-", "−")
    return ("0.00" if text == "+0.00" else text) + " points"
