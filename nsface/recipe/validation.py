"""The section of a recipe about the validations that are made while a network is trained."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from nsface.recipe.choices import LARGEST_COUNT, Section

FEWEST_HELD_OUT = 4  # identities: two folds of two, so that there are pairs of different people in each


class Validation(Section):
    """Pairs of faces by which the network is scored from time to time, of one of three kinds.

    Attributes:
        images, pairs: aligned faces that are not trained on (what `data` may be), and a list of pairs of them
            in a form that `nsface eval-lfw`, `eval-fglfw` or `eval-pairs` reads.
        bin: a verification set of InsightFace, with its images.
        held_out: number of identities of the training set, drawn by the seed, that are not trained on; pairs
            are made of their images.
        every: epochs from one validation to the next, rounded to whole steps; the last step has one as well.
    """

    images: str | None = Field(default=None, min_length=1)
    pairs: str | None = Field(default=None, min_length=1)
    bin: str | None = Field(default=None, min_length=1)
    held_out: int | None = Field(default=None, ge=FEWEST_HELD_OUT, le=LARGEST_COUNT)
    every: float = Field(default=1.0, gt=0, le=LARGEST_COUNT)

    @model_validator(mode="after")
    def _one_kind(self) -> Validation:
        kinds = [self.images is not None or self.pairs is not None, self.bin is not None]
        if sum([*kinds, self.held_out is not None]) != 1 or (self.images is None) != (self.pairs is None):
            raise ValueError("give either images and pairs, or bin, or held_out")
        return self


def listed(value: Any) -> Any:
    """The validations in `value`, which may be one that is not in a list, or name several .bin files."""
    if not isinstance(value, dict | list):
        return [] if value is None else value
    parts = [value] if isinstance(value, dict) else value
    found: list[Any] = []
    for part in parts:
        sets = part.get("bin") if isinstance(part, dict) else None
        found += [part | {"bin": one} for one in sets] if isinstance(sets, list) and sets else [part]
    return found


def identities_held_out(validations: list[Validation]) -> int:
    """How many identities `validations` hold out of the training.

    Raises:
        ValueError: several of them do.
    """
    numbers = [one.held_out for one in validations if one.held_out is not None]
    if len(numbers) > 1:
        raise ValueError("validate: held_out may stand once; give one number of identities")
    return sum(numbers)
