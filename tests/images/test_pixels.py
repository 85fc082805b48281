"""Decoded pixels: in memory and cached, the same."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from nsface.errors import DataError, NsfaceError
from nsface.images.pixel_file import PixelFile, Pixels
from nsface.images.pixels import load_pixels
from nsface.images.sources import Source, open_source
from tests.images.pictures import encoded, picture

FullDisk = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    for number in range(5):
        path = tmp_path / "faces" / f"id{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(seed=number)))
    return tmp_path / "faces"


def cached(source: Source, indices: Sequence[int], cache: Path) -> Pixels:
    """All pixels of the cache."""
    pixels = load_pixels(source, indices, 12, 10, cache=str(cache))
    assert isinstance(pixels, PixelFile)
    return pixels.block(0, len(pixels))


def test_memory_and_cache_hold_the_same(faces: Path, tmp_path: Path) -> None:
    source = open_source(str(faces))
    indices = [4, 0, 2]
    expected = np.stack([picture(seed=int(Path(source.names[index]).stem)) for index in indices])
    cache = tmp_path / "cache"
    assert np.array_equal(np.asarray(load_pixels(source, indices, 12, 10)), expected)
    assert np.array_equal(cached(source, indices, cache), expected)
    (made,) = cache.iterdir()
    stamp = made.stat().st_mtime_ns
    again = cached(source, indices, cache)
    assert np.array_equal(again, expected)
    assert made.stat().st_mtime_ns == stamp, "a second run reads the file that is there"
    again[:] = 0
    assert np.array_equal(cached(source, indices, cache), expected), "never written to"


def test_cache_follows_the_content(faces: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load_pixels(open_source(str(faces)), [0], 12, 10, cache=str(cache))
    (faces / "id0" / "0.png").write_bytes(encoded(picture(seed=99)))
    changed = cached(open_source(str(faces)), [0], cache)
    assert np.array_equal(changed[0], picture(seed=99))


@pytest.mark.parametrize("damage", [b"", b"text", None])
def test_a_damaged_cache_is_made_anew(faces: Path, tmp_path: Path, damage: bytes | None) -> None:
    cache = tmp_path / "cache"
    expected = cached(open_source(str(faces)), range(5), cache)
    (made,) = cache.iterdir()
    made.write_bytes(made.read_bytes()[:-100] if damage is None else damage)
    again = cached(open_source(str(faces)), range(5), cache)
    assert np.array_equal(again, expected)


def test_a_cache_too_large_for_the_disk_is_refused(faces: Path, tmp_path: Path, full_disk: FullDisk) -> None:
    cache = tmp_path / "cache"
    with full_disk(300), pytest.raises(NsfaceError, match=r"cannot write .*pixels-.*: file too large"):
        load_pixels(open_source(str(faces)), range(5), 12, 10, cache=str(cache))
    assert list(cache.iterdir()) == []


def test_all_bad_images_are_named_at_once_and_no_cache_is_left(faces: Path, tmp_path: Path) -> None:
    (faces / "id0" / "0.png").write_text("text")
    (faces / "id1" / "1.png").write_bytes(encoded(picture(1, 1)))
    source = open_source(str(faces))
    cache = tmp_path / "cache"
    with pytest.raises(DataError) as error:
        load_pixels(source, range(5), 12, 10, cache=str(cache))
    assert "2 of 5 images" in str(error.value)
    assert "id0/0.png: not an image" in str(error.value)
    assert "id1/1.png: 1×1 (height × width) where 12×10 is needed" in str(error.value)
    assert list(cache.iterdir()) == []


def test_where_all_images_have_another_size_the_remedy_is_to_align_them(faces: Path) -> None:
    with pytest.raises(DataError, match=r"5 of 5 .*112×96 is needed; align them .*`nsface align`"):
        load_pixels(open_source(str(faces)), range(5), 112, 96)
    (faces / "id0" / "0.png").write_text("text")
    with pytest.raises(DataError, match="112×96 is needed; mend them"):
        load_pixels(open_source(str(faces)), range(5), 112, 96)


@pytest.mark.parametrize("left", [0, 100, 1900])
def test_a_file_that_becomes_shorter_while_it_is_read_is_an_error(
    faces: Path, tmp_path: Path, left: int
) -> None:
    pixels = load_pixels(open_source(str(faces)), range(5), 12, 10, cache=str(tmp_path / "cache"))
    assert isinstance(pixels, PixelFile)
    (made,) = (tmp_path / "cache").iterdir()
    os.truncate(made, left)
    with pytest.raises(DataError, match=r"pixels-.*was cut short while it was read"):
        pixels.gather([0, 4])


def test_a_pixel_file_travels_to_other_processes(faces: Path, tmp_path: Path) -> None:
    pixels = load_pixels(open_source(str(faces)), range(5), 12, 10, cache=str(tmp_path / "cache"))
    assert isinstance(pixels, PixelFile)
    there = pickle.loads(pickle.dumps(pixels))
    assert np.array_equal(there.gather([3]), pixels.block(3, 4))
