"""Perceptual hashes and the search for near ones, against a comparison of all pairs."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from nsface.images.inspection.near_duplicates import (
    FREQUENCIES,
    NEAR,
    SIDE,
    groups,
    near_pairs,
    perceptual_hashes,
)
from tests.images.pictures import picture


def small(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)


def face_like(seed: int) -> npt.NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (24, 20, 3), dtype=np.uint8)
    return cv2.resize(coarse, (96, 112), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def distances(hashes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    apart: npt.NDArray[np.int64] = np.unpackbits(hashes[:, None] ^ hashes[None], axis=2).sum(2, np.int64)
    return apart


def test_the_hash_is_the_signs_of_opencv_s_transform() -> None:
    grey = np.stack([small(face_like(seed)) for seed in range(5)])
    for image, hash_ in zip(grey, perceptual_hashes(grey), strict=True):
        frequencies = cv2.dct(image)[:FREQUENCIES, :FREQUENCIES].copy()
        # OpenCV scales the first row and column of the transform by 1/√2; a common factor changes nothing
        frequencies[0] *= np.sqrt(2)
        frequencies[:, 0] *= np.sqrt(2)
        values = frequencies.reshape(-1)[1:]
        assert np.array_equal(np.unpackbits(hash_), [False, *(values > np.median(values))])


def test_the_same_image_encoded_anew_is_near_and_others_are_far() -> None:
    originals = [face_like(seed) for seed in range(20)]
    again = []
    for number, image in enumerate(originals):
        if number % 3 == 0:
            image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 40]
        data = cv2.imencode(".jpg", image, quality)[1]
        again.append(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8))
    hashes = perceptual_hashes(np.stack([small(image) for image in originals + again]))
    apart = distances(hashes)
    for number in range(20):
        assert apart[number, number + 20] <= NEAR
        others = np.delete(apart[number], [number, number + 20])
        assert others.min() > 2 * NEAR
    assert near_pairs(hashes).tolist() == [[number, number + 20] for number in range(20)]


@given(st.integers(0, 2**32 - 1))
def test_all_pairs_are_found_that_a_full_comparison_finds(seed: int) -> None:
    """Up to 15 bits apart: there the search is certain."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 256, (12, 32), dtype=np.uint8)
    hashes[:, 0] &= 127
    copies = []
    for row in range(12):
        bits = np.unpackbits(hashes[row])
        bits[random.choice(np.arange(1, 256), random.integers(0, 16), replace=False)] ^= 1
        copies.append(np.packbits(bits))
    together = np.concatenate([hashes, np.stack(copies)])[random.permutation(24)]
    apart = distances(together)
    expected = [[i, j] for i in range(24) for j in range(i + 1, 24) if apart[i, j] <= 15]
    found = near_pairs(together, limit=15).tolist()
    assert found == expected


def test_many_equal_rows_are_one_group_and_no_flood_of_pairs() -> None:
    hashes = np.zeros((5000, 32), np.uint8)
    hashes[::2] = 255
    hashes[::2, 0] = 127
    pairs = near_pairs(hashes)
    assert len(pairs) == 4998
    assert [len(group) for group in groups(pairs)] == [2500, 2500]


def test_groups_are_what_pairs_connect() -> None:
    pairs = np.array([[4, 9], [0, 7], [7, 4], [2, 3], [5, 6], [6, 8], [5, 8]])
    assert groups(pairs) == [[0, 4, 7, 9], [2, 3], [5, 6, 8]]
    assert groups(np.empty((0, 2), np.int64)) == []


def test_nothing_and_one() -> None:
    assert near_pairs(np.empty((0, 32), np.uint8)).shape == (0, 2)
    assert near_pairs(perceptual_hashes(small(picture(64, 64))[None])).shape == (0, 2)
