"""What all results have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nsface.results.official import HEADLINES, title_of
from nsface.results.text import WIDTH
from nsface.results.values import to_json


@dataclass(frozen=True)
class Figure:
    """A figure of merit, in [0, 1].

    Attributes:
        name: as tables call it: `LFW`, `Rank-1`, `DIR at FAR 1 %`.
        value: the figure; None where it could not be measured.
        spread: its standard error over folds, or standard deviation over trials; None where it has none.
        interval: its 95 % interval, the one that knows who is in which trials where there is one.
        official: whether it was measured on the official list: only then may it be compared with others'.
    """

    name: str
    value: float | None
    spread: float | None = None
    interval: tuple[float, float] | None = None
    official: bool = False


class Result:
    """What an evaluation has measured: a frozen dataclass that knows its JSON, its table and its figures."""

    protocol: str
    spread_is: ClassVar[str] = ""  # what ± means in tables of such results

    def to_json(self) -> dict[str, Any]:
        """The documented JSON object; floats have nine significant digits, thresholds all."""
        return to_json(self)

    @property
    def title(self) -> str:
        """What to call it in headings."""
        title = title_of(self.protocol)
        return f"{title}, rendered faces" if getattr(self, "rendered", None) else title

    @property
    def official(self) -> bool:
        """Whether all of it was measured on the official lists, at their official size."""
        figures = self.figures()
        return bool(figures) and all(figure.official for figure in figures)

    def figures(self) -> list[Figure]:
        """Its figures of merit: a column each in the table of several runs; none where it has none."""
        return []

    def headlines(self) -> list[Figure]:
        """Those of its figures that papers compare; the first where there is none of them."""
        figures = self.figures()
        return [figure for figure in figures if figure.name in HEADLINES] or figures[:1]

    def description(self) -> str:
        """On what it was measured: counts of pairs, probes or templates; '' where that is not known."""
        return ""

    def table(self, width: int = WIDTH) -> str:
        """The table that the command line prints, in lines of at most `width` characters."""
        raise NotImplementedError
