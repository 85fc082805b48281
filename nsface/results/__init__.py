"""Results: what an evaluation or a comparison has measured, as values that know their JSON and table.

A result is a frozen dataclass, made by `nsface.evaluate` or read from a file that `--json` wrote. Rates are
fractions in [0, 1], intervals are pairs (low, high) of 95 % unless they say otherwise, and None stands for
what could not be measured. The fields are the keys in JSON, listed in docs/protocols.md. In annotations,
`Share` is a float in [0, 1], `Number` any finite float, `Interval` two of them, and `Count` a whole number.

What results consist of is in `nsface.results.measures`, `nsface.results.identification`,
`nsface.results.rates`, `nsface.results.threshold`, `nsface.results.all_protocols`,
`nsface.results.differences` and `nsface.results.curves`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from nsface.checked import from_json
from nsface.errors import DataError, shown
from nsface.results.all_protocols import AllProtocols
from nsface.results.base import Figure, Result
from nsface.results.comparison import (
    Comparison,
    IdentificationComparison,
    TemplateComparison,
    VerificationComparison,
    comparison_class,
)
from nsface.results.differences import Difference
from nsface.results.identification import Identification
from nsface.results.measures import Fold, TarAtFar
from nsface.results.rates import BlufrRates, TemplateVerification
from nsface.results.text import WIDTH, named_values
from nsface.results.threshold import Threshold, read_threshold
from nsface.results.verification import Verification, VerificationSets

__all__ = [
    "AllProtocols",
    "BlufrRates",
    "Comparison",
    "Difference",
    "Figure",
    "Fold",
    "Identification",
    "IdentificationComparison",
    "OtherResult",
    "Result",
    "TarAtFar",
    "TemplateComparison",
    "TemplateVerification",
    "Threshold",
    "Verification",
    "VerificationComparison",
    "VerificationSets",
    "read_result",
    "read_threshold",
]


# The kinds of results of the `eval-*`; JSON is of the first of them that knows it for its own.
RESULTS: list[type[Result]] = [
    AllProtocols,
    Identification,
    VerificationSets,
    Verification,
    TemplateVerification,
    BlufrRates,
    Threshold,
]


@dataclass(frozen=True)
class OtherResult(Result):
    """A result that another program made: its protocol, and its texts and numbers by key."""

    protocol: str
    values: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"protocol": self.protocol} | self.values

    def table(self, width: int = WIDTH) -> str:
        return named_values([(key, str(value)) for key, value in self.to_json().items()], width)


def read_result(content: Any, path: Path) -> Result | None:
    """The result that a parsed JSON file holds; None where it holds something else.

    Keys that nsface does not know may stand beside those it does.

    Args:
        content: what `json.loads` has made of the file.
        path: of the file, for messages.

    Raises:
        DataError: a key that is missing, or a value of another type or out of its range.

    Example:
        >>> rate = {"far": 0.1, "tar": 0.9, "threshold": 0.5, "achieved_far": 0.1, "impostors": 10}
        >>> content = {"protocol": "ijb", "pairs": 20, "genuine": 10, "tar_at_far": [rate]}
        >>> result = read_result(content, Path("ijb.json"))
        >>> result.tar_at_far[0].tar
        0.9
        >>> read_result({"something": "else"}, Path("other.json")) is None
        True
    """
    if not isinstance(content, dict) or "protocol" not in content:
        return None
    if "systems" in content:
        remedy = "write it again with `nsface compare --json`"
        return from_json(comparison_class(content), content, str(path), remedy)
    cls = next((one for one in RESULTS if one.is_in(content)), OtherResult)
    read = from_json(cls, content, str(path), "write it again with --json")
    if isinstance(read, OtherResult):
        return OtherResult(read.protocol, _plain_values(content, {"protocol"}))
    if isinstance(read, AllProtocols):
        return _with_inner_results(read, path)
    if isinstance(read, Verification):
        return _with_details(read, content)
    if isinstance(read, VerificationSets):
        sets = zip(read.sets, content["sets"], strict=True)
        return replace(read, sets=tuple(_with_details(one, inner) for one, inner in sets))
    return read


def _with_inner_results(read: AllProtocols, path: Path) -> AllProtocols:
    """`read` with the results and comparisons that its objects describe."""
    comparisons = None if read.comparisons is None else _inner(Comparison, read.comparisons, path)
    return replace(read, results=_inner(Result, read.results, path), comparisons=comparisons)


def _inner(cls: Any, contents: Any, path: Path) -> tuple[Any, ...]:
    """The results of the class `cls` that a list of objects holds."""
    found = [read_result(content, path) for content in contents] if isinstance(contents, list) else [None]
    kept = tuple(one for one in found if isinstance(one, cls))
    if len(kept) < len(found):
        kind = cls.__name__.lower()
        raise DataError(f"{shown(path)}: a {kind} in it is none; write it again with --json")
    return kept


def _with_details(read: Verification, content: dict[str, Any]) -> Verification:
    """`read` with the plain values under keys that it does not know."""
    return replace(read, details=_plain_values(content, {one.name for one in fields(read)}))


def _plain_values(content: dict[str, Any], besides: set[str]) -> dict[str, Any]:
    """What of a JSON object is text, a number or null, but the keys `besides`."""
    plain = (str, int, float, type(None))
    return {key: value for key, value in content.items() if key not in besides and isinstance(value, plain)}
