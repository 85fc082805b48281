"""The images that make up each batch: shuffled, or balanced over identities.

Every choice depends on the seed, the epoch and the step alone, so that a run can begin anywhere in an epoch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsface.errors import RecipeError
from nsface.seeds import derived_seed


class Sampler(ABC):
    """Batches of indices into a set of images.

    Attributes:
        batch_size: images in each batch.
        batches_per_epoch: at least 1.
    """

    batch_size: int
    batches_per_epoch: int

    @abstractmethod
    def epoch(self, epoch: int, first: int = 0) -> Iterator[Tensor]:
        """Batches `first`, `first` + 1, … of `epoch`: indices, int64, of shape (batch_size,)."""


class Shuffled(Sampler):
    """Every image once an epoch, in random order.

    Args:
        images: N.
        batch_size: images a batch. The last, smaller batch of an epoch is left out; an epoch of fewer than
            `batch_size` images is one batch.
    """

    def __init__(self, images: int, batch_size: int, seed: int) -> None:
        self.batch_size = min(batch_size, images)
        self.batches_per_epoch = images // self.batch_size
        self._images = images
        self._seed = seed

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Tensor]:
        shuffle = torch.Generator().manual_seed(derived_seed(self._seed, "order", epoch))
        order = torch.randperm(self._images, generator=shuffle)
        for batch in range(first, self.batches_per_epoch):
            yield order[batch * self.batch_size : (batch + 1) * self.batch_size]


class IdentityBalanced(Sampler):
    """In each batch P different identities with K images each; images of one identity are next to each other.

    An epoch has as many batches as the images would fill if each were used once, at least one. Identities are
    shuffled, and each batch takes the next P; when fewer than P are left, all are shuffled anew. The K images
    of an identity are drawn at random for each batch, without replacement, or with replacement from an
    identity of fewer than K images. So all identities are used about equally often, whatever their numbers of
    images.

    Args:
        labels: int64, N, in [0, C).
        identities: P, at least 1 and at most C.
        images: K, at least 1.

    Raises:
        RecipeError: P is above C.
    """

    def __init__(self, labels: npt.NDArray[np.int64], identities: int, images: int, seed: int) -> None:
        order = np.argsort(labels, kind="stable")
        starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
        self._members = [torch.from_numpy(members) for members in np.split(order, starts[1:])]
        if identities > len(self._members):
            raise RecipeError(
                f"sampler.identities is {identities}, but there are {len(self._members)} identities in use"
            )
        self._identities, self._images, self._seed = identities, images, seed
        self.batch_size = identities * images
        self.batches_per_epoch = max(1, len(labels) // self.batch_size)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Tensor]:
        shuffle = torch.Generator().manual_seed(derived_seed(self._seed, "order", epoch))
        left: list[int] = []
        for batch in range(self.batches_per_epoch):
            if len(left) < self._identities:
                left = torch.randperm(len(self._members), generator=shuffle).tolist()
            chosen, left = left[: self._identities], left[self._identities :]
            if batch >= first:
                step = epoch * self.batches_per_epoch + batch
                yield self._images_of(chosen, derived_seed(self._seed, "images", step))

    def _images_of(self, identities: list[int], seed: int) -> Tensor:
        draw = torch.Generator().manual_seed(seed)
        chosen = []
        for identity in identities:
            members = self._members[identity]
            if len(members) < self._images:
                places = torch.randint(len(members), (self._images,), generator=draw)
            else:
                places = torch.randperm(len(members), generator=draw)[: self._images]
            chosen.append(members[places])
        return torch.cat(chosen)
