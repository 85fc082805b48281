"""Image sizes: which ones a network takes, and how large its last feature map is."""

from __future__ import annotations

from nsface.errors import ModelError

REDUCTION = 16  # every network here halves its images four times


def strided_map(height: int, width: int) -> tuple[int, int]:
    """Last feature map (rows, columns) after four 3×3 convolutions of stride 2 and padding 1.

    Each makes ⌈n/2⌉ of n, and ceilings compose, so four make ⌈n/16⌉.

    Raises:
        ModelError: the images are too small.
    """
    _check(height, width)
    return -(-height // REDUCTION), -(-width // REDUCTION)


def pooled_map(height: int, width: int) -> tuple[int, int]:
    """Last feature map (rows, columns) after four 2×2 max-pools of stride 2, each ⌊n/2⌋ of n.

    Raises:
        ModelError: the images are too small.
    """
    _check(height, width)
    return height // REDUCTION, width // REDUCTION


def _check(height: int, width: int) -> None:
    # Strides with padding would go on below one pixel a cell, but on borders alone.
    if min(height, width) < REDUCTION:
        raise ModelError(
            f"images of {height}×{width} (height × width) are too small for this network, which halves them "
            f"four times: give at least {REDUCTION}×{REDUCTION}"
        )
