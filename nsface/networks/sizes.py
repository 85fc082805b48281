"""Sizes of images: which ones a network takes, and the size of its last feature map."""

from __future__ import annotations

from nsface.errors import ModelError

REDUCTION = 16  # networks here halve their images up to four times


def strided_map(height: int, width: int) -> tuple[int, int]:
    """The size (rows, columns) of the last feature map after four 3×3 convolutions of stride 2 and padding 1.

    Each halves n to ⌈n/2⌉, so four of them make ⌈n/16⌉ of n.

    Raises:
        ModelError: the images are too small.
    """
    _check(height, width)
    return -(-height // REDUCTION), -(-width // REDUCTION)


def pooled_map(height: int, width: int, pools: int = 4) -> tuple[int, int]:
    """The size (rows, columns) of the last feature map after `pools` 2×2 max-pools of stride 2, at most four.

    Each halves n to ⌊n/2⌋, so four of them make ⌊n/16⌋ of n.

    Raises:
        ModelError: the images are too small.
    """
    _check(height, width)
    return height >> pools, width >> pools


def _check(height: int, width: int) -> None:
    # Smaller images would pass through strided convolutions, but the last map would be mostly padding.
    if min(height, width) < REDUCTION:
        raise ModelError(
            f"images of {height}×{width} (height × width) are too small: networks here halve them "
            f"up to four times; give at least {REDUCTION}×{REDUCTION}"
        )
