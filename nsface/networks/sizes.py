"""Sizes of images and layers: which ones a network takes, and the size of its last feature map."""

from __future__ import annotations

from nsface.errors import ModelError

REDUCTION = 16  # networks here halve their images up to four times
MOST_CHANNELS = 4096  # far beyond what can be trained; larger values would end in an error of PyTorch


def check_channels(channels: int) -> None:
    """Refuse a width out of its range.

    Raises:
        ModelError: `channels` is not in 1 to 4096.
    """
    if not 1 <= channels <= MOST_CHANNELS:
        raise ModelError(f"channels is {channels}; give 1 to {MOST_CHANNELS}")


def check_dropout(dropout: float, name: str = "dropout") -> None:
    """Refuse a share of dropout out of its range.

    Raises:
        ModelError: `dropout` is not in [0, 1).
    """
    if not 0 <= dropout < 1:
        raise ModelError(f"{name} is {dropout:g}; give a share from 0 up to, but not including, 1")


def strided_map(height: int, width: int) -> tuple[int, int]:
    """The size (rows, columns) of the last feature map after four 3×3 convolutions of stride 2 and padding 1.

    Each halves n to ⌈n/2⌉, so four of them make ⌈n/16⌉ of n.

    Raises:
        ModelError: the images are too small.
    """
    check_size(height, width)
    return -(-height // REDUCTION), -(-width // REDUCTION)


def pooled_map(height: int, width: int, pools: int = 4) -> tuple[int, int]:
    """The size (rows, columns) of the last feature map after `pools` 2×2 max-pools of stride 2, at most four.

    Each halves n to ⌊n/2⌋, so four of them make ⌊n/16⌋ of n.

    Raises:
        ModelError: the images are too small.
    """
    check_size(height, width)
    return height >> pools, width >> pools


def check_size(height: int, width: int) -> None:
    """Refuse images that are too small.

    Raises:
        ModelError: they are.
    """
    # Smaller images would pass through strided convolutions, but the last map would be mostly padding.
    if min(height, width) < REDUCTION:
        raise ModelError(
            f"images of {height}×{width} (height × width) are too small: networks here halve them "
            f"up to four times; give at least {REDUCTION}×{REDUCTION}"
        )
