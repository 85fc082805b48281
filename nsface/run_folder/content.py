"""What the files of a run folder must hold to be read; other keys may stand beside these."""

from __future__ import annotations

from collections.abc import Set
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator

from nsface.checked import Count, Share
from nsface.errors import DataError, joined, shown

Float32 = Annotated[float, Field(ge=-1e39, le=1e39)]  # every finite one; neither infinite nor NaN
Way = Literal["names", "pictures", "embeddings"]
WAYS: dict[Way, str] = {"names": "name", "pictures": "picture", "embeddings": "embedding"}


class _Content(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class LogLine(_Content):
    """A line of `log.jsonl` after `step` steps: means since the line before, but of the learning rate."""

    step: Count
    epoch: Float32 = 0.0
    loss: Float32 = 0.0
    accuracy: Share = 0.0
    probability: Share = 0.0
    saturated: Share = 0.0
    gradient: Float32 = 0.0
    learning_rate: Float32 = 0.0
    skipped: Count = 0
    images_per_second: Float32 = 0.0


class ValidationLine(_Content):
    """A line of `validation.jsonl`: what the network scored after `step` steps.

    Attributes:
        name: of the validation.
        auc: the area under the ROC curve of all pairs.
        held_out: whether its pairs are of identities of the training set that are not trained on.
        best: whether this is the best score so far in the validation that chooses best.safetensors.
        seconds: how long it took.
    """

    step: Count
    epoch: Float32
    name: str
    accuracy: Share
    standard_error: Share
    auc: Share
    held_out: bool = False
    best: bool = False
    seconds: Annotated[float, Field(ge=0, le=1e10)] = 0.0


class TestLine(_Content):
    """A line of `test.jsonl`: what the test images of a classification gave after `step` steps.

    Attributes:
        images: their number.
        error: the share of them that is classified wrongly; a tie is wrong.
        loss: the mean cross entropy.
        probability, saturated: the mean probability of the own class, and the share where it is > 0.999.
        ece, mce: the expected and the maximum calibration error, in ten bins.
        seconds: how long it took.
    """

    step: Count
    epoch: Float32
    images: Count
    error: Share
    loss: Float32
    probability: Share
    saturated: Share
    ece: Share
    mce: Share
    seconds: Annotated[float, Field(ge=0, le=1e10)] = 0.0


class Return(_Content):
    """A return of the training to an earlier state: see `nsface.training.guards.returning.Returns`."""

    step: Count
    to: Count
    learning_rate: Annotated[float, Field(ge=0, le=1)]


class Environment(_Content):
    """`environment.json`; all of it that is not named here is for people.

    Attributes:
        nsface, commit, torch: versions.
        device, precision: what it was computed on, and with which arithmetic.
        command: the command that began or continued the run.
        started: when it began, ISO 8601 in UTC.
        step: that of its newest checkpoint; 0 in runs of earlier versions.
        seconds: how long it took up to its newest checkpoint, over all its parts.
        peak_memory: bytes that it needed at most, of the GPU or of main memory; of a finished run.
        images, identities: the size of the training set.
        data: fingerprint of the images, without which a run cannot be resumed.
        returns: how the training went back to an earlier state, oldest first.
        changes: what was changed in the recipe on purpose, oldest first: the step after which it was changed,
            and by dotted key the value before and after.
        diverged: how the training diverged, where it did.
    """

    nsface: str | None = None
    commit: str | None = None
    torch: str | None = None
    device: str | None = None
    precision: str | None = None
    command: str | None = None
    started: str | None = None
    step: Count = 0
    seconds: Annotated[float, Field(ge=0, le=1e10)] = 0.0
    peak_memory: Count = 0
    images: Count | None = None
    identities: Count | None = None
    data: str | None = None
    returns: list[Return] = Field(default=[])
    changes: list[dict[str, Any]] = Field(default=[])
    diverged: str | None = None


class _Named(_Content):
    name: str


class _Init(_Content):
    model: str


class _Validation(_Content):
    held_out: Count | None = None


class ResolvedRecipe(_Content):
    """What is read of `recipe.yaml` where the network and the head that it names need not exist here."""

    head: _Named
    network: _Named
    init: _Init | None = None
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] | None = None
    exclude: list[str] | None = None
    validations: list[_Validation] | None = Field(default=None, alias="validate")

    @model_validator(mode="before")
    @classmethod
    def _finite(cls, content: dict[str, Any]) -> dict[str, Any]:
        for key, value in content.items():
            if not _is_finite(value):
                raise ValueError(f"{key}: a number is not finite")
        return content


def _is_finite(value: Any) -> bool:
    """Whether no float in `value`, or in what is inside it, is infinite or NaN."""
    if isinstance(value, dict | list):
        return all(map(_is_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or isfinite(value)


class OverlapEntry(BaseModel):
    """What `overlap.json` says of one test set: how it was compared with the training set, and who was found.

    Attributes:
        images: the number of images in the test set.
        found: training identities that seem to be in the test set, in whichever way they were found.
        found_by: the identities found in each way in which the sets were compared; `names` is there only
            where names say who somebody is. None in records of nsface 0.3.
        threshold: the cosine from which two identities count as one person; None: embeddings were not
            compared.
        pictures: whether pictures were compared.
        model_digest: the model that made the embeddings.
    """

    model_config = ConfigDict(extra="ignore", strict=True)

    images: NonNegativeInt
    found: list[str]
    found_by: dict[Way, list[str]] | None = None
    threshold: float | None = None
    pictures: bool = False
    model_digest: str | None = None

    @property
    def ways(self) -> list[Way]:
        """The ways in which the sets were compared."""
        if self.found_by is not None:
            return [way for way in WAYS if way in self.found_by]
        used = {"names": True, "pictures": self.pictures, "embeddings": self.threshold is not None}
        return [way for way in WAYS if used[way]]

    def compared(self) -> str:
        """How the sets were compared, in words: `by name only`, `by name and embedding`."""
        words = [WAYS[way] for way in self.ways]
        if not words:
            return "by name only, and no name says who it is"
        return f"by {joined(words)}" + ("" if "embeddings" in self.ways else " only")

    def joined(self, before: OverlapEntry | None, used: Set[str]) -> OverlapEntry:
        """This entry, and what an earlier comparison of the same two sets found in other ways.

        Args:
            before: the earlier entry, if there is one.
            used: the identities that the run was trained on; others of the earlier entry are left out.
        """
        if before is None or before.found_by is None or self.found_by is None:
            return self
        earlier = {way: sorted(used & set(found)) for way, found in before.found_by.items()}
        found_by = earlier | self.found_by
        kept = before.threshold if self.threshold is None else self.threshold
        found = sorted({identity for found in found_by.values() for identity in found})
        pictures = self.pictures or before.pictures
        return self.model_copy(
            update={"found_by": found_by, "found": found, "threshold": kept, "pictures": pictures}
        )


def overlap_entries(content: Any, path: Path) -> dict[str, OverlapEntry]:
    """The entries of an `overlap.json`, read from `path`, by the digest of each test set's names.

    Raises:
        DataError: `content` is no such record.
    """
    try:
        if isinstance(content, dict):
            return {digest: OverlapEntry.model_validate(entry) for digest, entry in content.items()}
    except ValidationError:
        pass
    raise DataError(f"{shown(path)}: not a record of nsface overlap; remove it")
