"""What one training leaves in memory for the next one of the same command: its images, decoded."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from nsface.images.pixel_file import PixelFile
from nsface.images.pixels import Pixels
from nsface.images.sources import Source
from nsface.ranks import Ranks
from nsface.recipe.schema import Recipe
from nsface.training.data import Note, decoded, images_of
from nsface.training.testing import LabelledImages, images_to_test
from nsface.training.validation_sets import ValidationSet, validation_sets

Rows = np.ndarray[Any, np.dtype[np.int64]]


class Kept:
    """The images and validation sets of the latest training, used again where the next needs the same.

    Attributes:
        label: what to call the present training in its progress; '' where it is the only one.
        stopped: whether a signal came during the last step of the latest training, which is complete.
    """

    def __init__(self) -> None:
        self.label = ""
        self.stopped = False
        self._location: str | None = None
        self._source: Source | None = None
        self._key = ""
        self._pixels: tuple[Pixels | PixelFile, Rows] | None = None
        self._validated_by = ""
        self._sets: list[ValidationSet] = []
        self._tested_by = ""
        self._test_images: LabelledImages | None = None

    def source(self, recipe: Recipe) -> Source:
        """The images that `recipe` names, listed once."""
        location = f"{recipe.task} {recipe.data}"
        if self._source is None or self._location != location:
            self._location, self._source = location, images_of(recipe)
        return self._source

    def decoded(
        self, recipe: Recipe, source: Source, chosen: list[int], ranks: Ranks, note: Note | None = None
    ) -> tuple[Pixels | PixelFile, Rows]:
        """As `nsface.training.data.decoded`; what was decoded is kept until other images are needed."""
        size = (recipe.input.height, recipe.input.width, recipe.cache, recipe.data)
        key = hashlib.sha256(f"{size} {chosen}".encode()).hexdigest()
        if self._pixels is None or key != self._key:
            self._pixels = None  # before the others take their memory
            self._key, self._pixels = key, decoded(recipe, source, chosen, ranks, note)
        return self._pixels

    def validation_sets(
        self, recipe: Recipe, source: Source, ranks: Ranks, note: Note | None = None
    ) -> list[ValidationSet]:
        """As `nsface.training.validation_sets.validation_sets`."""
        seed = recipe.seed if recipe.held_out else None  # which chooses who is held out
        key = f"{recipe.validate} {recipe.input} {recipe.data} {recipe.exclude} {seed}"
        if key != self._validated_by:
            self._sets = []  # before the others take their memory
            self._sets, self._validated_by = validation_sets(recipe, source, ranks, note), key
        return self._sets

    def test_images(self, recipe: Recipe, classes: list[str]) -> LabelledImages:
        """As `nsface.training.testing.images_to_test`."""
        key = f"{recipe.data} {recipe.input} {classes}"
        if self._test_images is None or key != self._tested_by:
            self._test_images, self._tested_by = images_to_test(recipe, classes), key
        return self._test_images
