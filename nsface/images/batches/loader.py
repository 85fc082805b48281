"""Batches for training on the device, here of pixels that are already decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsface.images.batches.augmentation import Augmentation, augment
from nsface.images.batches.sampling import Sampler
from nsface.images.pixel_file import PixelFile
from nsface.seeds import derived_seed

Self = TypeVar("Self", bound="BatchLoader")
_BLOCK = 1024  # images that are sent to the device at a time


class BatchLoader(ABC):
    """Augmented batches on the training device, for any origin of the pixels.

    It is a context manager: on leaving, it ends its processes, if it has any.

    Args:
        labels: the identity of each image, int64, N.
        sampler: which images make up a batch.
        augmentation: the random changes of each image.
        seed: the seed of the run, which decides the augmentation.
        device: where the batches are made.
        part: the images of each batch that this process takes, where other processes take the others.
    """

    def __init__(
        self,
        labels: npt.NDArray[np.int64],
        sampler: Sampler,
        augmentation: Augmentation,
        seed: int,
        device: torch.device,
        part: slice = slice(None),
    ) -> None:
        self._labels = torch.from_numpy(labels).to(device)
        self._sampler = sampler
        self._augmentation = augmentation
        self._seed = seed
        self._device = device
        self._part = part
        # images at the same place of different parts must not be changed in the same way
        self._stream = f"augmentation/{part.start}" if part.start else "augmentation"
        self._generator = torch.Generator(device)

    @property
    def labels(self) -> Tensor:
        """The identity of each image, int64, N, on the device."""
        return self._labels

    @property
    def batches_per_epoch(self) -> int:
        return self._sampler.batches_per_epoch

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches `first`, `first` + 1, … of `epoch`, the same at every call.

        Yields:
            images, float32, B × 3 × H × W in [0, 255] (channels last in memory), and labels, int64, B. With a
            `part`, the images are its own, and the labels those of the whole batch.
        """
        for batch, (chosen, images) in enumerate(self._pixels(epoch, first), start=first):
            step = epoch * self.batches_per_epoch + batch
            self._generator.manual_seed(derived_seed(self._seed, self._stream, step))
            labels = self._labels[chosen.to(self._device, non_blocking=True)]
            yield augment(images, self._augmentation, self._generator), labels

    def mean_image(self) -> Tensor | None:
        """The mean of all images, float32, 3 × H × W in [0, 255], on the CPU; None if they are not kept."""
        return None

    @abstractmethod
    def _pixels(self, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield for each batch the indices of its images, and the pixels of its part.

        The pixels are uint8, B × H × W × 3, on the device.
        """

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(  # noqa: B027  # most loaders have no processes
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Loader(BatchLoader):
    """Batches of decoded pixels that lie in memory, or in a file.

    The pixels are moved to the device once when they fill at most half of its free memory; otherwise each
    batch is gathered in host memory and sent.

    Args:
        pixels: uint8, M × H × W × 3; a tensor stays where it is.
        labels, sampler, augmentation, seed, device, part: see `BatchLoader`.
        rows: the row of each image in `pixels`, int64, N; by default M is N and the images are in order.
            With it, a part of a store is used without being copied.
    """

    def __init__(
        self,
        pixels: npt.NDArray[np.uint8] | PixelFile | Tensor,
        labels: npt.NDArray[np.int64],
        sampler: Sampler,
        augmentation: Augmentation,
        seed: int,
        device: torch.device,
        rows: npt.NDArray[np.int64] | None = None,
        part: slice = slice(None),
    ) -> None:
        super().__init__(labels, sampler, augmentation, seed, device, part)
        self._store = _on_device(pixels, device)
        self._rows = torch.arange(len(labels)) if rows is None else torch.from_numpy(rows)

    def _pixels(self, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        for chosen in self._sampler.epoch(epoch, first):
            yield chosen, self._gathered(self._rows[chosen[self._part]])

    def mean_image(self) -> Tensor:
        total = torch.zeros((), dtype=torch.int64, device=self._labels.device)
        for rows in self._rows.split(_BLOCK):
            total = total + self._gathered(rows).sum(dim=0, dtype=torch.int64)  # exact in any order
        return (total.double() / len(self._rows)).permute(2, 0, 1).float().cpu()

    def _gathered(self, rows: Tensor) -> Tensor:
        store, pinned = self._store, self._device.type == "cuda"
        if isinstance(store, Tensor) and store.device.type == self._device.type:
            return store[rows.to(store.device, non_blocking=True)]
        # only pinned memory is copied while the device computes
        batch = torch.empty((len(rows), *store.shape[1:]), dtype=torch.uint8, pin_memory=pinned)
        if isinstance(store, PixelFile):
            store.gather(rows.numpy(), batch.numpy())
        else:
            torch.index_select(store, 0, rows, out=batch)
        return batch.to(self._device, non_blocking=True)


def _on_device(
    pixels: npt.NDArray[np.uint8] | PixelFile | Tensor, device: torch.device
) -> Tensor | PixelFile:
    """`pixels` on the device, where they fill at most half of its free memory; as they are otherwise."""
    if isinstance(pixels, Tensor):
        return pixels
    size = int(np.prod(pixels.shape))
    if device.type != "cuda" or size > torch.cuda.mem_get_info(device)[0] // 2:
        return pixels if isinstance(pixels, PixelFile) else torch.from_numpy(pixels)
    if not isinstance(pixels, PixelFile):
        return torch.from_numpy(pixels).to(device)
    store = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(pixels), _BLOCK):
        store[start : start + _BLOCK] = torch.from_numpy(pixels.block(start, start + _BLOCK))
    return store
