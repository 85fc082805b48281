"""One or several models in use, which turn the same images into one embedding each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsface.embeddings.fusion import fused_meta
from nsface.embeddings.model import Flip, Model, as_array
from nsface.errors import ModelError
from nsface.vectors import unit


class Ensemble:
    """Models that take the same images; the embeddings of several are normalised and concatenated.

    Attributes:
        input: size and template of the images.

    Raises:
        ModelError: the models need different images.
    """

    def __init__(self, models: Sequence[Model], flip: Flip) -> None:
        self._models, self._flip = models, flip
        self.input = models[0].input
        for model in models[1:]:
            self._require_same_images(models[0], model)

    @staticmethod
    def _require_same_images(first: Model, second: Model) -> None:
        """Raise a ModelError where two networks need other images; colour and normalisation may differ."""
        for what in ("height", "width", "template"):
            one, two = (getattr(model.input, what) for model in (first, second))
            if one != two:
                raise ModelError(
                    f"{second.path}: it needs images of {what} {two}, and {first.path} of {what} {one}; "
                    "extract with each from its own images, then `nsface fuse` the files"
                )

    @property
    def size(self) -> int:
        """Length of an embedding."""
        sides = 2 if self._flip == "concat" else 1
        return sides * sum(model.embedding_size for model in self._models)

    @property
    def device(self) -> torch.device:
        """Where the images should be."""
        return self._models[0].device

    def start(self, images: Tensor) -> list[Tensor]:
        """Begin to embed images, uint8, B × 3 × H × W. A GPU computes on after this has returned."""
        return [model.start_batch(images, self._flip) for model in self._models]

    def finish(self, started: Sequence[Tensor]) -> npt.NDArray[np.float32]:
        """Wait for what `start` has begun: the embeddings, float32, B × D."""
        parts = [as_array(part) for part in started]
        return parts[0] if len(parts) == 1 else np.concatenate([unit(part) for part in parts], axis=1)

    def meta(self) -> dict[str, Any]:
        """The `meta` of an embeddings file: how its embeddings were made."""
        metas = [model.meta(self._flip) for model in self._models]
        return metas[0] if len(metas) == 1 else fused_meta(metas)
