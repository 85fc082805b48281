"""Encoded images in order, made by one process or by several."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from itertools import chain, groupby, islice
from typing import NamedTuple

import cv2

from nsface.errors import NsfaceError
from nsface.processes import end_with_parent
from nsface.synthetic.conditions import Conditions
from nsface.synthetic.identity import Person
from nsface.synthetic.portrait import Portrait
from nsface.synthetic.rendering import Pixels, Size, render

_FEW = 256  # fewer images are made sooner than a worker has started
_CHUNK = 64  # images a task: a fraction of a second's work
_AHEAD = 4  # tasks submitted ahead for each worker: a limit, so that memory does not grow with the set


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
    return render(portrait, _conditions(portrait.person, seed, [shot]), size)[0]


def encoded(shots: Iterable[Shot], seed: int, size: Size) -> Iterator[bytes]:
    """Render `shots` and encode them as JPEG; consecutive images of one person are made together."""
    for _, group in groupby(shots, key=_together):
        some = list(group)
        portrait = _portrait(seed, some[0].population, some[0].person)
        conditions = _conditions(portrait.person, seed, some)
        images = render(portrait, conditions, size)
        for image, quality in zip(images, conditions.quality.tolist(), strict=True):
            bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
            yield data.tobytes()


def _together(shot: Shot) -> tuple[int, int, int | None]:
    """The key of what is rendered together: the photographs of a person, or one of their videos."""
    return shot.population, shot.person, None if shot.frame is None else shot.session


def _conditions(person: Person, seed: int, shots: Sequence[Shot]) -> Conditions:
    frames = [shot.frame for shot in shots if shot.frame is not None]
    if frames:
        return Conditions.of_frames(person, seed, shots[0].session, frames)
    return Conditions.of_photographs(person, seed, [shot.session for shot in shots])


def produce(shots: Iterable[Shot], seed: int, size: Size, workers: int) -> Iterator[tuple[str, bytes]]:
    """Yield (name, JPEG file) for each of `shots`, in their order, whatever the number of `workers`.

    Raises:
        NsfaceError: a worker was ended, by the system for want of memory for example.
    """
    source = iter(shots)
    few = list(islice(source, _FEW))
    chunks = _chunks(chain(few, source))
    if workers <= 1 or len(few) < _FEW:
        for chunk in chunks:
            yield from _encode_all(chunk, seed, size)
        return
    # Spawned, not forked, because the caller may have started threads.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin_work)
    try:
        waiting: deque[Future[list[tuple[str, bytes]]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_encode_all, chunk, seed, size))
            if len(waiting) == workers * _AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise NsfaceError(
            "a process that renders has ended; memory may be too small: give fewer --workers"
        ) from error
    except BaseException:  # do not wait for images that nobody will use
        for worker in list((pool._processes or {}).values()):
            worker.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(shots: Iterable[Shot]) -> Iterator[list[Shot]]:
    """Lists of about `_CHUNK` shots; a person's shots are split only where there are more than that."""
    chunk: list[Shot] = []
    for _, group in groupby(shots, key=_together):
        while some := list(islice(group, _CHUNK)):
            chunk += some
            if len(chunk) >= _CHUNK:
                yield chunk
                chunk = []
    if chunk:
        yield chunk


def _begin_work() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's
    parent = multiprocessing.parent_process()
    end_with_parent(None if parent is None else parent.pid)
    cv2.setNumThreads(1)  # there is a process a core


def _encode_all(shots: list[Shot], seed: int, size: Size) -> list[tuple[str, bytes]]:
    return list(zip((shot.name for shot in shots), encoded(shots, seed, size), strict=True))


@lru_cache(maxsize=2)  # a person's images come one after another
def _portrait(seed: int, population: int, number: int) -> Portrait:
    return Portrait(Person.draw(seed, population, number))
