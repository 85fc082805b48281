"""The markers of JPEG files."""

from __future__ import annotations

import time

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.images.jpeg import first_picture
from tests.images.pictures import picture


def jpeg(*options: int) -> bytes:
    return cv2.imencode(".jpg", picture(40, 30)[..., ::-1], options)[1].tobytes()


def test_size_components_scans_and_end() -> None:
    found = first_picture(jpeg() + b"more")
    assert (found.size, len(found.components), len(found.scans), found.end) == ((40, 30), 3, 1, len(jpeg()))
    grey = cv2.imencode(".jpg", picture(40, 30)[..., 0])[1].tobytes()
    assert len(first_picture(grey).components) == 1
    several = first_picture(jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    assert len(several.scans) > 3
    assert not several.lacks_scans


def test_fill_bytes_and_bytes_between_segments_are_passed_over() -> None:
    data = jpeg()
    assert first_picture(data[:2] + b"\xff" * 9 + data[2:]).size == (40, 30)
    assert first_picture(data[:2] + b"abc" + data[2:]).size == (40, 30)


@pytest.mark.parametrize("scans", [1, 3, 5])
def test_a_progressive_picture_without_its_last_scans_lacks_them(scans: int) -> None:
    data = jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    place = 0
    for _ in range(scans + 1):
        place = data.index(b"\xff\xda", place + 1)
    found = first_picture(data[:place] + b"\xff\xd9")
    assert len(found.scans) == scans
    assert found.lacks_scans


@given(st.binary(max_size=300))
def test_anything_gives_an_answer(data: bytes) -> None:
    found = first_picture(b"\xff\xd8" + data)
    assert found.end is None or found.end <= len(data) + 2
    assert found.lacks_scans in (True, False)


@pytest.mark.parametrize("piece", [b"\xff", b"\xff\xd0", b"\xff\xda\0\2", b"\xff\xe0\0\0", b"\xff\x00", b"a"])
def test_the_time_grows_with_the_length(piece: bytes) -> None:
    start = time.process_time()
    first_picture(b"\xff\xd8" + piece * (1_000_000 // len(piece)))
    assert time.process_time() - start < 3
