"""Pixels that ranks share: where they lie, and what is left of them, with one rank."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from nsface.errors import DataError, NsfaceError
from nsface.images.pixels import load_pixels
from nsface.images.sources import Source, open_source
from nsface.ranks import ALONE
from nsface.training import shared_pixels
from nsface.training.shared_pixels import decode_once
from tests.images.pictures import encoded, picture

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def source(tmp_path: Path) -> Source:
    for number in range(4):
        (tmp_path / f"p{number}").mkdir()
        (tmp_path / f"p{number}" / "0.png").write_bytes(encoded(picture(16, 16, seed=number)))
    return open_source(str(tmp_path))


@pytest.fixture
def places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders in which shared pixels may lie."""
    found = [tmp_path_factory.mktemp(name) for name in ("memory", "disk")]
    monkeypatch.setattr(shared_pixels, "MEMORY", found[0])
    monkeypatch.setattr(tempfile, "tempdir", str(found[1]))
    return found


@pytest.mark.parametrize("room", [[2000, 0], [0, 2000], [2000, 2000]])
def test_they_lie_where_there_is_room(
    source: Source, places: list[Path], room: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, room[places.index(folder)]))
    made = []

    def wait() -> None:
        made.extend([place for place in places for _ in place.iterdir()])

    monkeypatch.setattr(type(ALONE), "wait", lambda self: wait())
    pixels = decode_once(source, [3, 1], 16, 16, ALONE)
    assert np.array_equal(pixels, np.asarray(load_pixels(source, [3, 1], 16, 16)))
    assert made == [places[room.index(2000)]], "there until all have opened it, and not longer"


def test_no_room(source: Source, places: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, 1000))
    where = rf"{places[0]} and {places[1]}; give `cache: FOLDER`"
    with pytest.raises(
        NsfaceError, match=rf"0\.0 GiB of pixels, which the ranks share, fit into none of {where}"
    ):
        decode_once(source, [0, 1], 16, 16, ALONE)


def test_images_that_cannot_be_used_are_named(source: Source, places: list[Path]) -> None:
    (Path(source.location) / "p1" / "0.png").write_bytes(b"text")
    with pytest.raises(DataError, match=r"1 of 4 images cannot be used: p1/0\.png"):
        decode_once(source, [0, 1, 2, 3], 16, 16, ALONE)
    assert not [file for place in places for file in place.iterdir()]


def test_a_kill_while_they_are_decoded_leaves_nothing(
    source: Source, places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_pixels, "decode_into", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    if not (child := os.fork()):
        decode_once(source, [0, 1], 16, 16, ALONE)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not [file for place in places for file in place.iterdir()]
