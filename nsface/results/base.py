"""What all results have in common: JSON, a table, a title and figures of merit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nsface.results.official import HEADLINES, RENDERED, title_of
from nsface.results.text import WIDTH
from nsface.results.values import to_json


@dataclass(frozen=True)
class Figure:
    """A figure of merit, in [0, 1].

    Attributes:
        name: its name in tables: `LFW`, `Rank-1`, `DIR at FAR 1 %`.
        value: the figure; None where it could not be measured.
        spread: standard error over folds, or standard deviation over trials; None where there is none.
        interval: the 95 % interval (low, high), the identity-aware one where there is one.
        official: whether it was measured on the official list: only then is it comparable with others'.
    """

    name: str
    value: float | None
    spread: float | None = None
    interval: tuple[float, float] | None = None
    official: bool = False


class Result(ABC):
    """What an evaluation has measured. Every result is a frozen dataclass that derives from this class.

    Attributes:
        protocol: the name of the protocol, such as `lfw` or `lfw-identification`.
        spread_is: what the number after ± means in tables of such results; "" where there is none.
    """

    protocol: str
    spread_is: ClassVar[str] = ""

    @classmethod
    def is_in(cls, content: Mapping[str, Any]) -> bool:
        """Whether a JSON object that names its `protocol` is a result of this class.

        Unless a class says otherwise, it is if its protocol is the default of the class.
        """
        return bool(content["protocol"] == getattr(cls, "protocol", ""))

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` writes: floats with nine significant digits, thresholds with all."""
        return to_json(self)

    @property
    def title(self) -> str:
        """What headings call the result, such as `LFW verification`."""
        title = title_of(self.protocol)
        return title + RENDERED if getattr(self, "rendered", None) else title

    @property
    def official(self) -> bool:
        """Whether all figures were measured on official lists of official size: only then may the result be
        compared with published ones."""
        figures = self.figures()
        return bool(figures) and all(figure.official for figure in figures)

    def figures(self) -> list[Figure]:
        """The figures of merit, in the order of the table; each is a column in a table of several runs."""
        return []

    def headlines(self) -> list[Figure]:
        """The figures that papers compare, or the first figure where none is among them."""
        figures = self.figures()
        return [figure for figure in figures if figure.name in HEADLINES] or figures[:1]

    def trials_of(self, figure: Figure) -> int | None:
        """How many pairs, or probes of people in the gallery, `figure` rests on (the mean over trials); None
        where that is not known."""
        return None

    def description(self) -> str:
        """How many pairs, probes or templates were measured; "" where that is not known."""
        return ""

    @abstractmethod
    def table(self, width: int = WIDTH) -> str:
        """The table that the command line prints, in lines of at most `width` characters."""
