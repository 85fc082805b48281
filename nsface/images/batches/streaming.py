"""Batches that worker processes decode while the device trains, for sets larger than memory."""

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
from nsface.images.pixels import fill, read_image, refuse_bad, stored_pixels
from nsface.images.sources import Source, VideoSource
from nsface.private_torch import end_workers, release_used_batches

SAMPLE = 256
_REMEDY = "`nsface inspect` names all such images, and `nsface pack --skip-bad` leaves them out"
_PATIENCE = 30  # seconds; as long as torchrun leaves a training to stop


class StreamingLoader(BatchLoader):
    """The batches that `Loader` would yield, bit for bit, read and decoded by processes of their own.

    At most two batches a worker wait for their turn: memory does not grow with the set. The workers start
    with the first epoch and end when the context is left. Only one epoch can be read at a time.

    Args:
        source: the encoded images.
        indices: which images of `source` are used, N.
        height, width: the size that all must have.
        workers: number of processes.
        labels, sampler, part: as `BatchLoader` takes them.

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
            generator=torch.Generator(),  # or it would draw from the stream that everything shares
        )

    def _pixels(self, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        self._order.start = epoch, first
        batches = iter(self._decoded)
        for chosen in self._sampler.epoch(epoch, first):
            try:
                images = next(batches)
            except (ConnectionError, EOFError) as error:  # a batch that was half sent
                raise _lost(error) from error
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
        # torch says it by a signal's handler, so wherever the program is
        if isinstance(error, RuntimeError):
            if str(error).startswith("DataLoader worker"):
                raise _lost(error) from error
            raise error


def _lost(error: Exception) -> NsfaceError:
    """What to say of a worker that has ended by itself."""
    return NsfaceError(
        f"a process that decodes images has ended ({str(error).strip(' .')}); memory or shared memory "
        "(/dev/shm) may be too small: lower `streaming` or the batch, and go on with --resume"
    )


def check_sample(source: Source, indices: Sequence[int], height: int, width: int) -> None:
    """Decode a sample of the images, so that what is wrong with all of them is said before training.

    Raises:
        DataError: videos, or images that cannot be used.
    """
    if isinstance(source, VideoSource):
        raise DataError(
            f"{source.location}: frames of videos can only be read in their order; pack them with "
            "`nsface pack`, or leave `streaming` out"
        )
    if stored_pixels(source, height, width) is None:
        places = np.linspace(0, len(indices) - 1, min(SAMPLE, len(indices))).astype(int).tolist()
        sample = [indices[place] for place in places]
        bad = fill(np.empty((len(sample), height, width, 3), np.uint8), source, sample)
        refuse_bad(source, bad, len(sample), f"only a sample was looked at: {_REMEDY}")


class _Order:
    """The part of each batch that is wanted, from the batch (epoch, first) that `start` says."""

    def __init__(self, sampler: Sampler, part: slice) -> None:
        self._sampler, self._part = sampler, part
        self.start = (0, 0)

    def __iter__(self) -> Iterator[list[int]]:
        for chosen in self._sampler.epoch(*self.start):
            yield chosen[self._part].tolist()


class _Decoder(Dataset[Any]):
    """What a worker has: the images, and how to make a batch of them."""

    def __init__(self, source: Source, indices: npt.NDArray[np.int64], height: int, width: int) -> None:
        self._source, self._indices = source, indices
        self._height, self._width = height, width

    def __getitem__(self, chosen: Sequence[int]) -> Tensor | str:
        """The batch, uint8, B × H × W × 3; what is wrong with one of its images, if anything is.

        An error that is raised would reach the training as another, with the worker's traceback in it.
        """
        batch = np.empty((len(chosen), self._height, self._width, 3), np.uint8)
        try:
            for position, index in enumerate(self._indices[chosen].tolist()):
                batch[position] = read_image(self._source, index, self._height, self._width)
        except DataError as error:
            return f"{self._source.location}: {error}; {_REMEDY}"
        return torch.from_numpy(batch)


def _begin_worker(number: int) -> None:
    """Called in each worker.

    Ctrl-C, and SIGTERM from a scheduler, go to all processes of a training. It finishes the step first, and
    needs its workers until it ends them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(_PATIENCE) and None)
    cv2.setNumThreads(0)  # the threads that OpenCV may have had are not in a forked process
