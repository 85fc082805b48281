"""What a report needs of the JSON files in a run folder, checked as a whole before any of it is drawn.

Keys that are not named here may stand beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nsface.checked import checked
from nsface.report.published import PAIRS
from nsface.untrusted import parse_json

Number = Annotated[float, Field(ge=-1e12, le=1e12)]  # neither infinite nor nan
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Mean = Annotated[float, Field(ge=0, le=1e15)]  # a count, or its mean over trials
Interval = Annotated[list[Number], Field(min_length=2, max_length=2)]
_Path = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Fold(_Part):
    threshold: Number


class _Tar(_Part):
    far: Share
    tar: Share
    std: Share | None = None


class _Dir(_Part):
    far: Share
    dir: Share
    std: Share | None = None
    confidence_interval: Interval | None = None


class _ClosedSet(_Part):
    gallery: Mean
    probes: Mean
    rank: dict[str, Share]
    rank_std: dict[str, Share] = {}


class _OpenSet(_Part):
    gallery: Mean = 0
    genuine: Mean = 0
    impostors: Mean = 0
    dir: list[_Dir]


class _Curve(_Part):
    far: Annotated[list[Share], Field(min_length=1)]

    def check(self, rates: list[float]) -> None:
        if len(rates) != len(self.far) or not any(self.far):
            raise ValueError("a curve needs a rate for each FAR, and one above 0")


class _Roc(_Curve):
    tar: list[Share]

    @model_validator(mode="after")
    def _whole(self) -> _Roc:
        self.check(self.tar)
        return self


class _DirFar(_Curve):
    dir: list[Share]

    @model_validator(mode="after")
    def _whole(self) -> _DirFar:
        self.check(self.dir)
        return self


class _Histogram(_Part):
    low: Number
    high: Number
    genuine: Annotated[list[Count], Field(min_length=1)]
    impostor: Annotated[list[Count], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> _Histogram:
        if not self.high - self.low > 1e-12:
            raise ValueError("a histogram's high must be above its low")
        return self


class _Pair(_Part):
    left: str
    right: str
    same: bool
    score: Number


class _Curves(_Part):
    roc: _Roc | None = None
    dir_far: _DirFar | None = None
    cmc: Annotated[list[Share], Field(min_length=1)] | None = None
    histogram: _Histogram | None = None
    worst_errors: list[_Pair] = []


class _Set(_Part):
    protocol: str
    accuracy: Share | None
    standard_error: Share | None


_VERIFICATION = {
    "pairs", "genuine", "accuracy", "standard_error", "confidence_interval", "auc", "eer", "folds",
    "similarity", "tar_at_far",
}  # fmt: skip


class Result(_Part):
    """What an `eval-*` wrote; which keys it must have depends on what it measured."""

    protocol: str
    pairs: Count = 0
    genuine: Count = 0
    accuracy: Share | None = None
    standard_error: Share | None = None
    confidence_interval: Interval | None = None
    identity_interval: Interval | None = None
    auc: Share = 0
    eer: Share = 0
    folds: list[_Fold] = []
    tar_at_far: list[_Tar] = []
    similarity: str = ""
    closed_set: _ClosedSet | None = None
    open_set: _OpenSet | None = None
    sets: list[_Set] = []
    curves: _Curves = _Curves()

    @model_validator(mode="after")
    def _whole(self) -> Result:
        given = self.model_fields_set
        official = self.protocol.removesuffix("-like") in PAIRS
        missing = _VERIFICATION - given if official or "folds" in given else set()
        if self.curves.histogram:
            missing |= {"folds", "similarity", "pairs", "genuine"} - given
        if missing:
            raise ValueError(f"no '{min(missing)}'")
        if self.open_set and (self.closed_set or "gallery" in self.open_set.model_fields_set):
            lacking = {"gallery", "genuine", "impostors"} - self.open_set.model_fields_set
            if lacking:
                raise ValueError(f"open_set has no '{min(lacking)}'")
        return self


class _McNemar(_Part):
    mid_p: Share


class _Tested(_Part):
    difference: Number
    mcnemar: _McNemar
    identity_interval: Interval | None = None
    identity_p_value: Share | None = None


class _TarTested(_Tested):
    far: Share


class _DirTested(_Part):
    far: Share
    difference: Number
    confidence_interval: Interval
    p_value: Share
    test: str


class Comparison(_Part):
    """What `compare` wrote."""

    protocol: str
    systems: Annotated[list[_Path], Field(min_length=2, max_length=2)]
    difference: Number | None = None
    confidence_interval: Interval | None = None
    p_value: Share | None = None
    test: str = ""
    mcnemar: _McNemar | None = None
    identity_interval: Interval | None = None
    identity_p_value: Share | None = None
    rank_1: _Tested | None = None
    dir: list[_DirTested] = []
    tar_at_far: list[_TarTested] = []

    @model_validator(mode="after")
    def _whole(self) -> Comparison:
        missing = {"difference", "confidence_interval", "p_value", "test"} - self.model_fields_set
        if self.mcnemar and missing:
            raise ValueError(f"no '{min(missing)}'")
        return self


class _Spread(_Part):
    min: Count
    median: Mean
    max: Count


class _Size(_Part):
    height: Count
    width: Count
    images: Count


class _Gaps(_Part):
    missing: Count


Listed = list[str] | list[list[str]] | list[dict[str, str]] | Count


class Inspection(_Part):
    """What `nsface inspect` wrote; of lists of names and groups the report needs the lengths."""

    kind: str
    location: str
    images: Count
    identities: Count
    images_per_identity: _Spread | None
    sizes: list[_Size]
    label_gaps: _Gaps | None
    alignment: Number
    unreadable: Listed = 0
    duplicates: Listed = 0
    near_duplicates: Listed = 0
    duplicates_across_identities: Listed = 0
    other_sizes: Listed = 0
    blank: Listed = 0
    swapped_colour: Listed = 0
    grey: Listed = 0
    damaged: Listed = 0
    without_identity: Listed = 0
    odd_names: Listed = 0
    passed_over: Listed = 0


def read_result(text: str | bytes, path: Path) -> dict[str, Any] | None:
    """The result of an `eval-*` or of `compare` in a JSON text; None where it is something else.

    Raises:
        DataError: no JSON, or a result that lacks something or has it in another form.
    """
    content = parse_json(text, str(path))
    if not isinstance(content, dict) or "protocol" not in content:
        return None
    if "systems" not in content:
        return checked(Result, content, str(path), "write it again with --json")
    return checked(Comparison, content, str(path), "write it again with `nsface compare --json`")
