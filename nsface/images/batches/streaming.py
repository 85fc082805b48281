"""Batches that worker processes decode while the device trains, for image sets larger than memory."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nsface.errors import DataError, NsfaceError
from nsface.images.batches.augmentation import Augmentation
from nsface.images.batches.loader import BatchLoader
from nsface.images.batches.sampling import Sampler
from nsface.images.pixels import decode_into, raise_if_unusable, read_image, stored_pixels
from nsface.images.sources import Source, VideoSource
from nsface.private_torch import end_workers, release_used_batches

SAMPLE = 256
_REMEDY = "`nsface inspect` names all such images, and `nsface pack --skip-bad` leaves them out"
_SECONDS_TO_STOP = 30  # as long as torchrun waits for a training to stop


class StreamingLoader(BatchLoader):
    """The batches that `Loader` would yield, bit for bit, read and decoded by worker processes.

    At most two batches of each worker wait for their turn, so that memory does not grow with the set. The
    workers start with the first epoch and end when the context is left. Only one epoch can be read at a time.

    Args:
        source: the encoded images.
        indices: the images of `source` that are used, N.
        height, width: the size that all images must have.
        workers: number of processes.
        labels, sampler, augmentation, seed, device, part: see `BatchLoader`.

    Raises:
        DataError: here, if images of a sample of SAMPLE are unreadable or of another size, or the source has
            videos; in `epoch`, for the first such image in a batch. The message has the image's name.
        NsfaceError: in `epoch`, or on leaving the context, if a worker was killed.
    """

    def __init__(
        self,
        source: Source,
        indices: Sequence[int],
        height: int,
        width: int,
        workers: int,
        labels: npt.NDArray[np.int64],
        sampler: Sampler,
        augmentation: Augmentation,
        seed: int,
        device: torch.device,
        part: slice = slice(None),
    ) -> None:
        super().__init__(labels, sampler, augmentation, seed, device, part)
        check_sample(source, indices, height, width)
        self._order = _Order(sampler, part)
        # torch's loader is given whole batches as its samples: one is decoded by one worker into one array
        self._decoded: DataLoader[Tensor | str] = DataLoader(
            _Decoder(source, np.asarray(indices, np.int64), height, width),
            batch_size=None,
            sampler=self._order,
            num_workers=workers,
            worker_init_fn=_begin_worker,
            persistent_workers=True,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # without it, torch would draw from its global generator
        )

    def _pixels(self, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        self._order.start = epoch, first
        batches = iter(self._decoded)
        for chosen in self._sampler.epoch(epoch, first):
            try:
                images = next(batches)
            except (ConnectionError, EOFError) as error:  # a batch that was half sent
                raise _worker_ended(error) from error
            if isinstance(images, str):
                raise DataError(images)
            release_used_batches()
            yield chosen, images.to(self._device, non_blocking=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            end_workers(self._decoded)
        except RuntimeError as another:
            error = another
        # torch raises this in a signal handler, so anywhere in the program
        if isinstance(error, RuntimeError):
            if str(error).startswith("DataLoader worker"):
                raise _worker_ended(error) from error
            raise error


def _worker_ended(error: Exception) -> NsfaceError:
    """The error to raise when a worker process has ended by itself."""
    return NsfaceError(
        f"a process that decodes images has ended ({str(error).strip(' .')}); memory or shared memory "
        "(/dev/shm) may be too small: lower `streaming` or the batch, and go on with --resume"
    )


def check_sample(source: Source, indices: Sequence[int], height: int, width: int) -> None:
    """Decode a sample of the images, so that a fault of all of them is reported before the training.

    Raises:
        DataError: the source has videos, or images of the sample cannot be used.
    """
    if isinstance(source, VideoSource):
        raise DataError(
            f"{source.location}: frames of videos can only be read in their order; pack them with "
            "`nsface pack`, or leave `streaming` out"
        )
    if stored_pixels(source, height, width) is None:
        places = np.linspace(0, len(indices) - 1, min(SAMPLE, len(indices))).astype(int).tolist()
        sample = [indices[place] for place in places]
        bad = decode_into(np.empty((len(sample), height, width, 3), np.uint8), source, sample)
        raise_if_unusable(source, bad, len(sample), f"only a sample was decoded: {_REMEDY}")


class _Order:
    """The indices of a part of each batch, from the batch `start` (epoch, number) on."""

    def __init__(self, sampler: Sampler, part: slice) -> None:
        self._sampler, self._part = sampler, part
        self.start = (0, 0)

    def __iter__(self) -> Iterator[list[int]]:
        for chosen in self._sampler.epoch(*self.start):
            yield chosen[self._part].tolist()


class _Decoder(Dataset[Any]):
    """The data set that each worker has: it decodes a batch of images."""

    def __init__(self, source: Source, indices: npt.NDArray[np.int64], height: int, width: int) -> None:
        self._source, self._indices = source, indices
        self._height, self._width = height, width

    def __getitem__(self, chosen: Sequence[int]) -> Tensor | str:
        """The batch, uint8, B × H × W × 3, or the message about its first bad image.

        If the error was raised, torch would replace it by one that has the worker's traceback in its message.
        """
        batch = np.empty((len(chosen), self._height, self._width, 3), np.uint8)
        try:
            for position, index in enumerate(self._indices[chosen].tolist()):
                batch[position] = read_image(self._source, index, self._height, self._width)
        except DataError as error:
            return f"{self._source.location}: {error}; {_REMEDY}"
        return torch.from_numpy(batch)


def _begin_worker(number: int) -> None:
    """Prepare a worker process.

    Ctrl-C, and SIGTERM from a scheduler, go to all processes of a training. The training then finishes its
    step, for which it needs its workers, and ends them itself.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(_SECONDS_TO_STOP) and None)
    cv2.setNumThreads(0)  # the threads that OpenCV may have had are not in a forked process
