"""Crops of another template of the same five points, made to fit a network's input.

Crops of one height, such as `sphereface` (112×96) and `arcface` (112×112), have the same five points in the
same rows, and in columns that differ by half the difference of the widths. So a crop of the one becomes a
crop of the other by black columns added on both sides, as alignment leaves outside an image, or by columns
cut off on both sides.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nsface.errors import DataError, shown
from nsface.images.alignment.templates import SIZES, Template, template
from nsface.images.pixel_file import Pixels
from nsface.preprocessing import Preprocessing


class Fit:
    """What makes images fit `wanted`, the input of a network; it remembers which sizes it has changed.

    Only the width may differ, by an even number of columns. `wanted.template` must be a template of the size
    of `wanted`, and the images must have the size of a template with a name: others may be no aligned faces.

    Example:
        >>> fit = Fit(Preprocessing(height=112, width=112, template="arcface"))
        >>> fit(np.zeros((112, 96, 3), np.uint8)).shape, fit(np.zeros((96, 112, 3), np.uint8)).shape
        ((112, 112, 3), (96, 112, 3))
        >>> fit.notes("faces/")
        ['faces/: images of 112×96 (height × width) were padded by 8 black columns on either side to 112×112']
    """

    def __init__(self, wanted: Preprocessing) -> None:
        self.height, self.width = wanted.height, wanted.width
        self._size = wanted.size
        self.widths: set[int] = set()  # of images that were changed; a set may be added to by several threads
        self._possible = _is_template_of_its_size(wanted)

    def __call__(self, pixels: Pixels) -> Pixels:
        """`pixels`, H × W × 3, padded or cut to the wanted size where that is possible, else as they are."""
        height, width = pixels.shape[:2]
        missing = self.width - width
        known = (height, width) in SIZES.values()
        if not (self._possible and known) or height != self.height or missing == 0 or missing % 2:
            return pixels
        self.widths.add(width)
        side = abs(missing) // 2
        if missing > 0:
            return np.pad(pixels, ((0, 0), (side, side), (0, 0)))
        return pixels[:, side:-side]

    def meta(self) -> dict[str, Any]:
        """What an embeddings file says of it under `fitted_from`: the sizes of the images; else nothing."""
        return (
            {"fitted_from": [f"{self.height}x{width}" for width in sorted(self.widths)]}
            if self.widths
            else {}
        )

    def notes(self, location: str = "") -> list[str]:
        """A sentence for each size of images, in `location` where it is given, that was changed."""
        start = f"{shown(location)}: " if location else ""
        return [
            f"{start}images of {self.height}×{width} (height × width) were "
            + ("padded by" if width < self.width else "cut by")
            + f" {abs(self.width - width) // 2} {'black ' * (width < self.width)}columns on either side to "
            f"{self._size}"
            for width in sorted(self.widths)
        ]


def template_of(wanted: Preprocessing) -> Template:
    """The template that the images of a network are aligned to.

    Raises:
        DataError: no template has that name, or it has another size than the images.
    """
    known = template(wanted.template)
    if (known.height, known.width) != (wanted.height, wanted.width):
        raise DataError(
            f"template {shown(wanted.template)} is of {known.height}×{known.width}, and the network takes "
            f"images of {wanted.size}; align them by other means"
        )
    return known


def _is_template_of_its_size(wanted: Preprocessing) -> bool:
    try:
        template_of(wanted)
    except DataError:
        return False
    return True
