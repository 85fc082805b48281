"""Threads that decode large pictures share what room there is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from nsface.images import decoding_memory


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(decoding_memory, "LIMIT", 100)
    monkeypatch.setattr(decoding_memory, "SMALL", 10)
    yield
    assert decoding_memory._in_use == 0, "all room is given back"


@pytest.mark.parametrize(("pixels", "at_once"), [(30, 3), (60, 1), (1000, 1), (10, 8)])
def test_no_more_pixels_at_once_than_there_is_room_for(pixels: int, at_once: int) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal now, most
        with decoding_memory.limited():
            decoding_memory.reserve(pixels)
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.002)
            with lock:
                now -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert most == at_once if pixels > decoding_memory.SMALL else most > 1


def test_an_error_and_the_next_picture_give_room_back() -> None:
    def fail() -> None:
        with decoding_memory.limited():
            decoding_memory.reserve(90)
            decoding_memory.reserve(95)  # in place of the first
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        fail()
    with decoding_memory.limited():
        decoding_memory.reserve(100)


def test_outside_nobody_waits() -> None:
    decoding_memory.reserve(90)
    decoding_memory.reserve(90)
