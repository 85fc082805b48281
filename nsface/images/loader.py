"""Batches for training: drawn from pixels that already lie in memory, a whole batch at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsface.images.augment import Augmentation, augment
from nsface.seeds import derived_seed


class Loader:
    """Shuffled, augmented batches on the training device.

    The pixels are moved to the device once when they fill at most half of its free memory; otherwise each
    batch is gathered in host memory and sent.

    Args:
        pixels: uint8, N × H × W × 3.
        labels: int64, N.
        batch_size: images a batch. The last, smaller batch of an epoch is left out; an epoch of fewer than
            `batch_size` images is one batch.
    """

    def __init__(
        self,
        pixels: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.int64],
        batch_size: int,
        augmentation: Augmentation,
        seed: int,
        device: torch.device,
    ) -> None:
        store = torch.from_numpy(pixels)
        if device.type == "cuda" and store.numel() <= torch.cuda.mem_get_info(device)[0] // 2:
            store = store.to(device)
        self._store = store
        self._labels = torch.from_numpy(labels).to(device)
        self._batch_size = min(batch_size, len(labels))
        self._augmentation = augmentation
        self._seed = seed
        self._device = device
        self._generator = torch.Generator(device)

    @property
    def batches_per_epoch(self) -> int:
        return len(self._labels) // self._batch_size

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches `first`, `first` + 1, … of `epoch`, the same whenever and however often they are asked for.

        Yields:
            images, float32, B × 3 × H × W in [0, 255] (channels last in memory), and labels, int64, B.
        """
        shuffle = torch.Generator().manual_seed(derived_seed(self._seed, "order", epoch))
        order = torch.randperm(len(self._labels), generator=shuffle)
        for batch in range(first, self.batches_per_epoch):
            chosen = order[batch * self._batch_size : (batch + 1) * self._batch_size]
            images = self._store[chosen.to(self._store.device)].to(self._device, non_blocking=True)
            step = epoch * self.batches_per_epoch + batch
            self._generator.manual_seed(derived_seed(self._seed, "augmentation", step))
            yield augment(images, self._augmentation, self._generator), self._labels[chosen.to(self._device)]
