"""Images that look the same: perceptual hashes, and the pairs of hashes that differ little.

The hash of an image is the signs of its coarse structure: grey, 32 × 32, discrete cosine transform (DCT-II),
the 16 × 16 lowest frequencies without the mean, each compared with their median: 255 bits (Zauner 2010,
https://www.phash.org/docs/pubs/thesis_zauner.pdf, but with 16 × 16 instead of 8 × 8 frequencies, because 64
bits do not tell aligned faces apart). Encoding a face again, at half or twice the size, changes 2 to 18 bits;
different images of one person differ in 34 or more, of different people in 50 or more (13,000 images of LFW).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from nsface.groups import connected_groups

SIDE = 32
FREQUENCIES = 16
NEAR = 24  # bits
_BITS = FREQUENCIES * FREQUENCIES
_BAND = 16  # bits
_BLOCK = 4096

_points = (np.arange(SIDE) + 0.5) / SIDE
_DCT = np.cos(np.pi * np.outer(np.arange(FREQUENCIES), _points)).astype(np.float32)

Hashes = npt.NDArray[np.uint8]


def perceptual_hashes(grey: npt.NDArray[np.float32]) -> Hashes:
    """The hashes, uint8, N × 32, of grey images, float32, N × 32 × 32. The first bit is always 0."""
    frequencies = (_DCT @ grey @ _DCT.T).reshape(len(grey), _BITS)
    median = np.median(frequencies[:, 1:], axis=1, keepdims=True)
    bits = frequencies > median
    bits[:, 0] = False
    return np.packbits(bits, axis=1)


def near_pairs(hashes: Hashes, limit: int = NEAR) -> npt.NDArray[np.int64]:
    """Pairs of rows of `hashes` (uint8, N × 32) that differ in at most `limit` bits.

    The bits are divided into 16 bands of 16, and pairs that agree in a whole band are compared. So every pair
    that differs in up to 15 bits is found, and one that differs in 24 bits with a probability of 97 %.

    Returns:
        int64, P × 2, each pair once, the lower row first. Of equal rows only the first is compared with
        different rows; the other equal rows are paired with the first.
    """
    _, first, group = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    repeated = np.flatnonzero(first[group.reshape(-1)] != np.arange(len(hashes)))
    found = [np.stack([first[group.reshape(-1)[repeated]], repeated], axis=1)]
    rows = np.sort(first)
    bits = np.unpackbits(hashes[rows], axis=1)
    # neighbouring frequencies depend on each other, so each band has bits from everywhere
    shuffled = np.random.default_rng(0).permutation(_BITS)
    for band in range(0, _BITS, _BAND):
        chosen = np.packbits(bits[:, shuffled[band : band + _BAND]], axis=1)
        keys = chosen[:, 0].astype(np.uint16) << 8 | chosen[:, 1]
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1, append=1 << _BAND))
        for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            if stop - start > 1:
                found.extend(_close(bits, order[start:stop], limit, rows))
    return np.unique(np.concatenate(found), axis=0).astype(np.int64)


def _close(
    bits: npt.NDArray[np.uint8], chosen: npt.NDArray[np.int64], limit: int, rows: npt.NDArray[np.int64]
) -> Iterable[npt.NDArray[np.int64]]:
    """Pairs among `chosen` that differ in at most `limit` bits, from the products of their signs."""
    signs = bits[chosen].astype(np.float32) * 2 - 1
    for start in range(0, len(chosen), _BLOCK):
        product = signs[start : start + _BLOCK] @ signs.T
        left, right = np.nonzero(product >= _BITS - 2 * limit)
        keep = left + start < right
        if keep.any():
            yield np.stack([rows[chosen[left[keep] + start]], rows[chosen[right[keep]]]], axis=1)


def groups(pairs: npt.NDArray[np.int64]) -> list[list[int]]:
    """Groups of rows that `pairs` (P × 2) connect, in ascending order, and ordered by their first rows."""
    rows, places = np.unique(pairs, return_inverse=True)
    left, right = places.reshape(-1, 2).T
    members: list[list[int]] = []
    for row, group in zip(rows.tolist(), connected_groups(left, right, len(rows)).tolist(), strict=True):
        if group == len(members):
            members.append([])
        members[group].append(row)
    return members
