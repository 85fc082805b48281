"""Encoded images, in order, from as many processes as one likes."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache
from itertools import chain, islice
from typing import NamedTuple

import cv2

from nsface.synthetic.conditions import Conditions
from nsface.synthetic.identity import Person
from nsface.synthetic.portrait import Portrait
from nsface.synthetic.rendering import Pixels, Size, render

_FEW = 256  # fewer images are made before a worker has started
_CHUNK = 64  # images a task: a fraction of a second's work
_AHEAD = 4  # tasks in flight for each worker, so that memory stays small whatever the number of images


class Shot(NamedTuple):
    """One image to make.

    Attributes:
        name: where it will be stored.
        population: `TRAINING` or `TEST`.
        person: number of the person in that population.
        session: number of the photograph or of the video.
        frame: number of the frame in a video; None for a photograph.
    """

    name: str
    population: int
    person: int
    session: int
    frame: int | None = None


def pixels(shot: Shot, seed: int = 0, size: Size = Size.H112_W96) -> Pixels:
    """Render `shot`: uint8, height × width × 3, RGB. The same on every machine."""
    portrait = _portrait(seed, shot.population, shot.person)
    return render(portrait, Conditions.of(portrait.person, seed, shot.session, shot.frame), size)


def encoded(shot: Shot, seed: int, size: Size) -> bytes:
    """Render `shot` and encode it as JPEG."""
    portrait = _portrait(seed, shot.population, shot.person)
    conditions = Conditions.of(portrait.person, seed, shot.session, shot.frame)
    image = render(portrait, conditions, size)
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, conditions.quality]
    )
    return data.tobytes()


def produce(shots: Iterable[Shot], seed: int, size: Size, workers: int) -> Iterator[tuple[str, bytes]]:
    """Yield (name, JPEG file) for each of `shots`, in their order, whatever the number of `workers`."""
    source = iter(shots)
    few = list(islice(source, _FEW))
    if workers <= 1 or len(few) < _FEW:
        for shot in chain(few, source):
            yield shot.name, encoded(shot, seed, size)
        return
    # Spawned, not forked: the caller may have started threads. Workers leave Ctrl-C to the caller.
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    try:
        source = chain(few, source)
        waiting: deque[Future[list[tuple[str, bytes]]]] = deque()
        while True:
            while len(waiting) < workers * _AHEAD and (chunk := list(islice(source, _CHUNK))):
                waiting.append(pool.submit(_encode_all, chunk, seed, size))
            if not waiting:
                return
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _encode_all(shots: list[Shot], seed: int, size: Size) -> list[tuple[str, bytes]]:
    return [(shot.name, encoded(shot, seed, size)) for shot in shots]


@lru_cache(maxsize=2)  # a person's images come one after another
def _portrait(seed: int, population: int, number: int) -> Portrait:
    return Portrait(Person.draw(seed, population, number))
