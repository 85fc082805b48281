"""A calibrated threshold on other data: whether it may be applied there, and the rates at it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, joined, shown
from nsface.files import digest, reason
from nsface.metrics.identification import OpenSet
from nsface.metrics.impostors import GalleryImpostors
from nsface.metrics.shared_people import SharedPeople, rate_interval, shared_people
from nsface.metrics.statistics import Interval
from nsface.metrics.threshold import rate_at
from nsface.protocols.protocol import AnyPath, option
from nsface.protocols.provenance import DECISIVE, crop_difference, provenance
from nsface.protocols.transforms import Transform
from nsface.results.threshold import AtThreshold, Threshold, read_threshold

if TYPE_CHECKING:
    from nsface.protocols.identification import MeasuredTrial, Trial
    from nsface.protocols.scored_pairs import ScoredPairs

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class AppliesThreshold:
    """The option of a protocol that can be measured at a calibrated threshold."""

    threshold: AnyPath | None = option(
        "Add the rates of errors at this calibrated threshold, a file that `nsface calibrate` wrote.",
        default=None,
    )

    def __post_init__(self) -> None:
        """Read the file, so that what is wrong with it is known before any embeddings are made."""
        super().__post_init__()  # type: ignore[misc] # of the protocol
        _ = self.calibrated

    @cached_property
    def calibrated(self) -> Threshold | None:
        """What the file says.

        Raises:
            DataError: it cannot be read, or is for another similarity or transform than that of the protocol.
        """
        if self.threshold is None:
            return None
        read, own = read_threshold(self.threshold), vars(self)
        transform = Transform(own["center"], own["pca"] or 0).name
        for what, there, here in (
            ("similarity", read.similarity, own["similarity"]),
            ("transform", read.transform, transform),
        ):
            if there != here:
                raise DataError(
                    f"{shown(self.threshold)}: calibrated with {what} {shown(there)}, and scores are "
                    f"compared with {here}; use the same, or calibrate again"
                )
        return read


def check_provenance(
    threshold: Threshold, file: AnyPath, embeddings: Embeddings, pool: str | None = None
) -> list[str]:
    """Sentences on what may differ between how the threshold was made, and how `embeddings` were.

    Args:
        pool: how the protocol pools them itself, None where it does not.

    Raises:
        DataError: they are of another model, preprocessing, flip mode or pooling.
    """
    here = provenance(embeddings.meta)
    here["pooling"] = here["pooling"] or pool
    there = {key: getattr(threshold, key) for key in here}
    differing = [
        name
        for key, name in DECISIVE.items()
        if None not in (here[key], there[key]) and here[key] != there[key]
    ]
    if differing:
        raise DataError(
            f"{shown(file)}: calibrated for another {joined(differing)} than that of "
            f"{shown(embeddings.source)}; calibrate again with this model"
        )
    notes = []
    unknown = [name for key, name in DECISIVE.items() if key != "pooling" and None in (here[key], there[key])]
    if unknown:
        notes.append(
            f"{shown(file)}: whether it was calibrated with the same {joined(unknown)} as "
            f"{shown(embeddings.source)} could not be checked; one of the two does not say"
        )
    if here["pooling"] != there["pooling"]:
        notes.append(
            f"{shown(file)}: calibrated on {_pooled(there)}, and applied to {_pooled(here)}: "
            "their scores have other distributions"
        )
    if None not in (here["precision"], there["precision"]) and here["precision"] != there["precision"]:
        notes.append(
            f"{shown(file)}: calibrated with embeddings in {shown(there['precision'])}, applied to "
            f"{shown(here['precision'])}"
        )
    return notes


def crop_notes(threshold: Threshold, file: AnyPath, embeddings: Embeddings) -> list[str]:
    """A sentence where the threshold was calibrated on other crops of faces than those of `embeddings`."""
    here = provenance(embeddings.meta)
    difference = crop_difference({key: getattr(threshold, key) for key in here}, here)
    if difference is None:
        return []
    return [
        f"{shown(file)}: calibrated on {difference[0]}, and applied to {difference[1]}: scores of other "
        "crops have other distributions, and the rate of errors may be several times the calibrated one"
    ]


def _pooled(made: Mapping[str, Any]) -> str:
    return "templates of several images" if made["pooling"] else "single images"


def other_kind(threshold: Threshold, file: AnyPath, gallery: int | None = None) -> list[str]:
    """A sentence where the rate that was calibrated is not the one that is measured here.

    Args:
        gallery: people in the gallery; None for verification.
    """
    if (threshold.kind == "fmr") != (gallery is None):
        here = "an FMR" if gallery is None else f"an FPIR in a gallery of {gallery}"
        return [f"{shown(file)}: calibrated for an {threshold.rate_name}; measured here is {here}"]
    if gallery != threshold.gallery_size:
        return [
            f"{shown(file)}: calibrated for a gallery of {threshold.gallery_size} people, applied to "
            f"{gallery}: an FPIR grows with the gallery"
        ]
    return []


def same_data(threshold: Threshold, file: AnyPath, list_digest: str, embeddings: Embeddings) -> list[str]:
    """A sentence where the threshold was calibrated on these data: its rates are no independent check."""
    if threshold.list_sha256 == list_digest:
        return [f"{shown(file)}: calibrated on this very list: the rates at it are no independent check"]
    if threshold.embeddings_sha256 == names_digest(embeddings):
        return [
            f"{shown(file)}: calibrated on the same set of images: people in both lists make the rates at it "
            "less than an independent check"
        ]
    return []


def pairs_at(threshold: Threshold, file: AnyPath, scored: ScoredPairs) -> AtThreshold:
    """FMR and FNMR of scored pairs."""
    same, accepted = scored.trials.same, np.asarray(scored.scores >= threshold.threshold)
    return AtThreshold(
        **_head(threshold, file),
        fmr=float(accepted[~same].mean()),
        fmr_interval=interval_of(accepted[~same], scored.shared(~same)),
        fnmr=float((~accepted[same]).mean()),
        fnmr_interval=interval_of(~accepted[same], scored.shared(same)),
        impostors=int((~same).sum()),
        genuine=int(same.sum()),
    )


def open_set_at(threshold: Threshold, file: AnyPath, open_set: OpenSet) -> AtThreshold:
    """FPIR and FNIR of an open set."""
    impostors = strangers(open_set)
    errors, ends = rate_at(impostors, threshold.threshold)
    missed, missed_ends = unidentified(open_set, threshold.threshold)
    return AtThreshold(
        **_head(threshold, file),
        fpir=errors / impostors.trials,
        fpir_interval=ends,
        fnir=float(missed.mean()),
        fnir_interval=missed_ends,
        impostors=impostors.trials,
        genuine=len(missed),
    )


def trials_at(
    threshold: Threshold,
    file: str,
    embeddings: Embeddings,
    trials: Sequence[Trial],
    measured: Sequence[MeasuredTrial],
) -> tuple[list[MeasuredTrial], list[str]]:
    """`measured` with the rates at the calibrated threshold, and notes on what makes them doubtful.

    Raises:
        DataError: a trial has no open set, or the threshold is of another model, preprocessing or flip mode.
    """
    if any(one.open is None for one in measured):
        raise DataError(
            f"{shown(file)}: a threshold decides in the open set, and these lists have none; add impostors"
        )
    notes = check_provenance(threshold, file, embeddings) + crop_notes(threshold, file, embeddings)
    found = []
    for trial, one in zip(trials, measured, strict=True):
        assert one.open
        notes += same_data(threshold, file, trial_digest(trial), embeddings)
        notes += other_kind(threshold, file, one.open.gallery_people)
        at = open_set_at(threshold, file, one.open)
        found.append(replace(one, result=replace(one.result, at_threshold=at)))
    return found, list(dict.fromkeys(notes))


def mean_at(trials: Sequence[AtThreshold | None]) -> AtThreshold | None:
    """The mean of several trials at one threshold, without intervals; None where there was no threshold."""
    found = [one for one in trials if one]
    if len(found) < 2:
        return found[0] if found else None
    first = found[0]
    keys = ("fpir", "fnir", "impostors", "genuine")
    means: dict[str, Any] = {key: float(np.mean([getattr(one, key) for one in found])) for key in keys}
    head = ("file", "threshold", "kind", "target", "upper_bound", "confidence")
    return AtThreshold(**{key: getattr(first, key) for key in head}, **means)


def unidentified(open_set: OpenSet, threshold: float) -> tuple[Booleans, Interval | None]:
    """(P,) whether each genuine probe's person is not found at rank 1 with a score ≥ `threshold`, and the
    interval of their share."""
    genuine = open_set.genuine
    missed = np.asarray((genuine.rank > 1) | (genuine.score < threshold))
    assert open_set.genuine_people is not None
    return missed, interval_of(missed, shared_people(open_set.genuine_people))


def strangers(open_set: OpenSet) -> GalleryImpostors:
    """The impostors of an open set that `identify` has searched."""
    people, mates = open_set.impostor_people, open_set.impostor_mates
    assert people is not None
    assert mates is not None
    return GalleryImpostors(open_set.impostors, people, mates, open_set.gallery_people)


def interval_of(values: Booleans, shared: SharedPeople | None) -> Interval | None:
    """The 95 % interval of a rate, None where it is not known who shares whom."""
    return rate_interval(values, shared) if shared else None


def _head(threshold: Threshold, file: AnyPath) -> dict[str, Any]:
    keys = ("threshold", "kind", "target", "upper_bound", "confidence")
    return {"file": str(file)} | {key: getattr(threshold, key) for key in keys}


def names_digest(embeddings: Embeddings) -> str:
    """SHA-256 of the names of the images, in byte order."""
    names = sorted(os.fsencode(name) for name in embeddings.names)
    return hashlib.sha256(b"\n".join(names)).hexdigest()


def file_digest(path: AnyPath) -> str:
    """SHA-256 of the file `path`, as `sha256sum` prints it.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return digest(path)
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read: {reason(error)}") from error


def trial_digest(trial: Trial) -> str:
    """SHA-256 of what the lists of an open set say: images and people of gallery, probes and impostors."""
    parts = (sorted(zip(part.images, part.people, strict=True)) for part in trial.open or ())
    text = "\n\n".join("\n".join(map("\t".join, part)) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
