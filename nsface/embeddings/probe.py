"""Whether a network is given the images that it expects: its choice of preprocessing beside others.

A wrong colour order, crop or range of values raises no error; the embeddings are worse. Here a sample of
real faces is embedded with each choice, and the choices are compared on the same faces.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from nsface.embeddings.model import Model
from nsface.errors import DataError, joined, shown
from nsface.images.alignment.templates import SIZES
from nsface.images.fitting import Fit
from nsface.images.pixel_file import Pixels
from nsface.images.sources import Source
from nsface.preprocessing import Channels, Preprocessing
from nsface.vectors import unit

MOST_PEOPLE = 96
MOST_IMAGES = 192
FEWEST_IMAGES = 10
FEWEST_PEOPLE = 10  # with two images, for genuine scores to decide
CLEAR = 3.0  # standard errors: several choices are tried, and nobody should be sent the wrong way
_FOUND = 0.5
_NOTABLE = 0.05  # difference of shares of mirrored images worth telling
_TINY = 1e-12
_SAME_RANGE = 0.05
_BATCH = 32
_RANGES = ((127.5, 127.5), (0.0, 255.0), (0.0, 1.0))  # mean, std: −1 to 1, 0 to 1, and pixels as they are
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """A preprocessing, and how the sampled faces look to the network with it.

    Attributes:
        colour: the order of channels, RGB or BGR.
        crop: height × width of the part of the face that the network gets, scaled to its size.
        mean, std: of the normalisation.
        mirrored: the share of images to which their own mirrored image is more alike than any other image.
        genuine, impostor: the mean cosine of two images of one person, and of two people; `genuine` is None
            where no person has two images.
        separation: how far the scores of one person lie above those of two people, in standard deviations
            of the latter; where few people have two images, those of an image and its own mirrored image.
        replicates: the separation without each person in turn (without each image, where people are unknown).
        difference, standard_error: of the separation from that of the model's own choice, by the jackknife
            over people; None for the own choice.
    """

    colour: str
    crop: str
    mean: Channels
    std: Channels
    mirrored: float
    genuine: float | None
    impostor: float
    separation: float
    replicates: Floats
    difference: float | None = None
    standard_error: float | None = None

    def against(self, own: Choice) -> Choice:
        """This choice with its difference from the model's own."""
        left = self.replicates - own.replicates
        variance = (len(left) - 1) * float(left.var())
        difference = self.separation - own.separation
        return dataclasses.replace(self, difference=difference, standard_error=math.sqrt(variance))

    @property
    def clearly_better(self) -> bool:
        """Whether it beats the model's own choice by `CLEAR` standard errors."""
        if self.difference is None or self.standard_error is None:
            return False
        return self.difference > CLEAR * self.standard_error

    @property
    def clearly_worse(self) -> bool:
        """Whether the model's own choice beats it by `CLEAR` standard errors."""
        if self.difference is None or self.standard_error is None:
            return False
        return -self.difference > CLEAR * self.standard_error

    def to_json(self) -> dict[str, Any]:
        """All but the replicates."""
        fields = dataclasses.fields(self)
        return {field.name: getattr(self, field.name) for field in fields if field.name != "replicates"}


@dataclass(frozen=True)
class Probe:
    """All choices on one sample of faces.

    Attributes:
        images, people: the number of faces, and of people of whom there are two faces.
        choices: the model's own first.
        verdict: a sentence.
        better: the best of the choices that are clearly better than the model's own; None where none is.
    """

    images: int
    people: int
    choices: list[Choice]
    verdict: str
    better: Choice | None

    def to_json(self) -> dict[str, Any]:
        """Everything, for JSON."""
        better = self.better.to_json() if self.better else None
        choices = [choice.to_json() for choice in self.choices]
        found = {"images": self.images, "people": self.people, "verdict": self.verdict}
        return found | {"better": better, "choices": choices}


def probe(model: Model, source: Source, progress: Callable[[int], object] | None = None) -> Probe:
    """Embed a sample of the aligned faces in `source` with the preprocessing of `model` and with others.

    Tried are both orders of colours with both crops of 112 rows where the faces allow it, and other ranges
    of values. Where folders are people, the genuine scores decide; else the mirrored images do.

    Args:
        progress: called with 1 after each choice.

    Raises:
        DataError: there are fewer than ten images, one person alone, or images of another size than the model
            takes.

    Example:
        >>> probe(load_model("r50.safetensors"), open_source("lfw/")).verdict  # doctest: +SKIP
    """
    indices = sample(source.identities)
    if len(indices) < FEWEST_IMAGES:
        raise DataError(f"{source.location}: {len(indices)} images; give {FEWEST_IMAGES} faces or more")
    people = [source.identities[i] or f"\0{i}" for i in indices]
    if len(set(people)) == 1:
        raise DataError(f"{source.location}: faces of one person alone; give faces of several people")
    crops = _crops(source, indices, model.input)
    choices: list[Choice] = []
    for images, crop in candidates(model.input, list(crops)):
        found = _choice(dataclasses.replace(model, input=images), crops[crop], people, crop)
        choices.append(found.against(choices[0]) if choices else found)
        if progress:
            progress(1)
    pairs = sum(people.count(name) > 1 for name in set(people))
    better = max((c for c in choices if c.clearly_better), key=lambda c: c.separation, default=None)
    return Probe(len(indices), pairs, choices, _verdict(choices, better, pairs), better)


def sample(identities: Sequence[str]) -> list[int]:
    """The numbers of the images to embed, evenly over all: pairs of one person first, then single images."""
    by_person: dict[str, list[int]] = {}
    for index, name in enumerate(identities):
        by_person.setdefault(name or f"\0{index}", []).append(index)
    pairs = [found[:2] for found in by_person.values() if len(found) > 1]
    singles = [found[0] for found in by_person.values() if len(found) == 1]
    chosen = [index for pair in _spread(pairs, MOST_PEOPLE) for index in pair]
    return sorted([*chosen, *_spread(singles, MOST_IMAGES - len(chosen))])


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of the items, at even distances."""
    count = min(most, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def candidates(own: Preprocessing, crops: Sequence[str]) -> list[tuple[Preprocessing, str]]:
    """The choices to try, the model's own first; of `crops` the first is its own."""
    other = "RGB" if own.colour == "BGR" else "BGR"
    ranges = [(mean, std) for mean, std in _RANGES if not _alike(own, mean, std)]
    tried = [(own.model_copy(update={"colour": c}), crop) for crop in crops for c in (own.colour, other)]
    return tried + [(own.model_copy(update={"mean": m, "std": s}), crops[0]) for m, s in ranges]


def _alike(own: Preprocessing, mean: float, std: float) -> bool:
    """Whether black and white pixels become nearly the same values, as with a std of 127.5 and 128."""
    ends = np.array([[0.0], [255.0]])
    own_ends = (ends - np.array(own.mean)) / np.array(own.std)
    return bool(np.abs(own_ends - (ends - mean) / std).max() < _SAME_RANGE * np.ptp(own_ends))


def _crops(source: Source, indices: Sequence[int], own: Preprocessing) -> dict[str, Pixels]:
    """The faces by the size of their crop, scaled to the network's size; its own crop first."""
    faces = [source.pixels(index) for index in indices]
    fits = [Fit(own)] + [
        Fit(own.model_copy(update={"height": height, "width": width, "template": name}))
        for name, (height, width) in SIZES.items()
        if (height, width) != (own.height, own.width)
    ]
    crops = {}
    for fit in fits:
        fitted = [fit(face) for face in faces]
        if any(face.shape[:2] != (fit.height, fit.width) for face in fitted):
            if fit is fits[0]:
                sizes = sorted({f"{f.shape[0]}×{f.shape[1]}" for f in faces})
                raise DataError(
                    f"{shown(source.location)}: faces of {', '.join(sizes[:3])} (height × width), where the "
                    f"model takes {own.size}; align them first, by `nsface align`"
                )
            continue
        size = (own.width, own.height)
        scaled = [f if fit is fits[0] else cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in fitted]
        crops[f"{fit.height}×{fit.width}"] = np.stack(scaled).astype(np.uint8, copy=False)
    return crops


def _choice(model: Model, faces: Pixels, people: Sequence[str], crop: str) -> Choice:
    plain, mirrored = (
        unit(model.embed(images, flip="none", batch_size=_BATCH)).astype(np.float64)
        for images in (faces, faces[:, :, ::-1])
    )
    scores, to_mirrored = plain @ plain.T, plain @ mirrored.T
    own = np.diag(to_mirrored)
    most_alike = np.where(np.eye(len(plain), dtype=bool), -np.inf, np.maximum(scores, to_mirrored))
    names = np.array(people)
    same = names[:, None] == names[None, :]
    genuine = scores[np.triu(same, 1)]
    blocks = [names != name for name in dict.fromkeys(people)]
    return Choice(
        colour=model.input.colour,
        crop=crop,
        mean=model.input.mean,
        std=model.input.std,
        mirrored=float((own > most_alike.max(axis=1)).mean()),
        genuine=float(genuine.mean()) if len(genuine) else None,
        impostor=float(scores[~same].mean()),
        separation=_separation(scores, own, same),
        replicates=np.array([_separation(scores[k][:, k], own[k], same[k][:, k]) for k in blocks]),
    )


def _separation(scores: Floats, own: Floats, same: npt.NDArray[np.bool_]) -> float:
    """The mean genuine score, or that of the mirrored images `own`, in units of the impostor scores."""
    genuine, impostor = scores[np.triu(same, 1)], scores[~same]
    alike = genuine if len(genuine) >= FEWEST_PEOPLE - 1 else own
    return float((alike.mean() - impostor.mean()) / max(float(impostor.std()), _TINY))


def _verdict(choices: Sequence[Choice], better: Choice | None, pairs: int) -> str:
    """What the figures say, in a sentence or two."""
    own = choices[0]
    if max(choice.mirrored for choice in choices) < _FOUND:
        return (
            "With no choice is the mirrored image of a face found among the others: the network seems to be "
            "untrained, or the faces to be no aligned faces."
        )
    faces = "two images of one person" if pairs >= FEWEST_PEOPLE else "an image and its mirrored image"
    if better is not None:
        new, old = _difference(better, own)
        if better.mirrored - own.mirrored > _NOTABLE:
            return (
                f"With {new} the mirrored image is found for {better.mirrored:.0%} of the faces, with {old} "
                f"for {own.mirrored:.0%}: the network seems to expect {new}."
            )
        return (
            f"With {new} the scores of {faces} lie {better.separation:.2f} standard deviations above those "
            f"of two people, with {old} {own.separation:.2f}: the network seems to expect {new}."
        )
    unclear = [_difference(choice, own)[0] for choice in choices[1:] if not choice.clearly_worse]
    if not unclear:
        return "The chosen preprocessing does clearly better than each of the others."
    return (
        f"No choice does clearly better than the chosen one, but these faces cannot rule out "
        f"{joined(unclear, 'or')}{'' if pairs >= MOST_PEOPLE else '; more people of two images could'}."
    )


def _difference(choice: Choice, own: Choice) -> tuple[str, str]:
    """What sets two choices apart, in words: of the one, and of the other."""
    words: list[tuple[str, str]] = []
    if choice.colour != own.colour:
        words.append((choice.colour, own.colour))
    if choice.crop != own.crop:
        words.append((f"crops of {choice.crop}", f"crops of {own.crop}"))
    if (choice.mean, choice.std) != (own.mean, own.std):
        words.append((_range(choice), _range(own)))
    return joined([new for new, _ in words]), joined([old for _, old in words])


def _range(choice: Choice) -> str:
    return f"mean {by_channel(choice.mean)} and std {by_channel(choice.std)}"


def by_channel(values: Channels) -> str:
    """A mean or std as the options take it: one number, or three with commas."""
    return ",".join(f"{value:g}" for value in (values if isinstance(values, tuple) else (values,)))
