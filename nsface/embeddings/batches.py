"""Images of a source in batches: decoded and sent to the device while the batch before is embedded."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsface.embeddings.ensemble import Ensemble
from nsface.images.fitting import Fit
from nsface.images.pixels import decode_into
from nsface.images.sources import Source


class Batch(NamedTuple):
    """A batch that is embedded.

    Attributes:
        indices: the numbers of its images in the source.
        vectors: the embeddings of those that could be used, float32.
        bad: the reason for each of the others, without its name, by its place in the batch.
        widths: of images that were padded or cut to the width of the model's.
    """

    indices: Sequence[int]
    vectors: npt.NDArray[np.float32]
    bad: dict[int, str]
    widths: list[int]


class _Decoded(NamedTuple):
    """A batch before it is embedded: the images that can be used, and when they are on the device."""

    indices: Sequence[int]
    bad: dict[int, str]
    widths: list[int]
    images: Tensor
    sent: torch.cuda.Event | None


class _Sender:
    """Sends images to the device of a network, to a GPU from pinned memory while it computes."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def empty(self, *shape: int) -> Tensor:
        """Zeros, uint8, in memory from which they can be sent."""
        return torch.zeros(shape, dtype=torch.uint8, pin_memory=self._stream is not None)

    def send(self, images: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
        """Begin to send; the network must wait for the event."""
        if self._stream is None:
            return images, None
        with torch.cuda.stream(self._stream):
            return images.to(self._stream.device, non_blocking=True), self._stream.record_event()

    def received(self, decoded: _Decoded) -> Tensor:
        """The images, which what the GPU computes from now on waits for."""
        if decoded.sent is not None:
            stream = torch.cuda.current_stream(decoded.images.device)
            stream.wait_event(decoded.sent)
            decoded.images.record_stream(stream)
        return decoded.images


def batched(indices: Iterable[int], size: int) -> Iterator[list[int]]:
    """`indices` in lists of `size`, each as soon as it is full; the last may have fewer."""
    numbers = iter(indices)
    while batch := list(islice(numbers, size)):
        yield batch


def embedded(source: Source, batches: Iterator[list[int]], ensemble: Ensemble) -> Generator[Batch]:
    """Embed the images of `batches`, in their order; `batches` is asked for the next one in another thread.

    A GPU gets the next batch before the results of this one are fetched, and no batch waits for a next one
    that is not there yet.
    """
    sender = _Sender(ensemble.device)

    def decoded() -> _Decoded | None:
        indices = next(batches, None)
        return None if indices is None else _decoded(source, indices, ensemble, sender)

    def finished(batch: _Decoded, started: list[Tensor]) -> Batch:
        return Batch(batch.indices, ensemble.finish(started), batch.bad, batch.widths)

    ahead = ThreadPoolExecutor(1)
    try:
        coming = ahead.submit(decoded)
        running: tuple[_Decoded, list[Tensor]] | None = None
        while True:
            if running and not coming.done():
                yield finished(*running)
                running = None
            batch = coming.result()
            if batch is None:
                break
            coming = ahead.submit(decoded)
            started = ensemble.start(sender.received(batch))
            if running:
                yield finished(*running)
            running = batch, started
        if running:
            yield finished(*running)
    finally:
        source.close()  # or the thread would wait for images that arrive later
        ahead.shutdown(cancel_futures=True)


def _decoded(source: Source, indices: Sequence[int], ensemble: Ensemble, sender: _Sender) -> _Decoded:
    """Decode the images `indices`, and begin to send them."""
    fit = Fit(ensemble.input)
    pixels = sender.empty(len(indices), fit.height, fit.width, 3)
    reasons = decode_into(pixels.numpy(), source, indices, fit=fit)
    bad = {place: why.removeprefix(f"{source.names[indices[place]]}: ") for place, why in reasons.items()}
    if bad:
        pixels = pixels[[place for place in range(len(indices)) if place not in bad]]
    images, sent = sender.send(pixels.permute(0, 3, 1, 2))
    return _Decoded(indices, bad, sorted(fit.widths), images, sent)
