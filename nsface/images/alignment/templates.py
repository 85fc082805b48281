"""Five-point templates: the places of the eyes, the nose and the corners of the mouth in an aligned face."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsface.arguments import unknown_name
from nsface.errors import DataError

Points = npt.NDArray[np.float64]

# The template of InsightFace's 112×112 crops; SphereFace's 112×96 is the same without 8 pixels on either
# side (https://github.com/wy1iu/sphereface, https://github.com/deepinsight/insightface).
_SIDE = 112
_POINTS = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
SIZES = {"sphereface": (112, 96), "arcface": (112, 112)}  # height, width
_SIZE = re.compile(r"([1-9]\d{0,3})[x×]([1-9]\d{0,3})")


@dataclass(frozen=True)
class Template:
    """The places of the five points in an aligned face.

    Attributes:
        name: `sphereface` (112×96), `arcface` (112×112), or HEIGHTxWIDTH.
        height, width: in pixels.
        points: 5 × 2, x and y in pixels, 0 the centre of the first pixel: the eye on the left of the image,
            the other eye, nose, corner of the mouth on the left, the other corner.
    """

    name: str
    height: int
    width: int
    points: Points

    @property
    def eye_distance(self) -> float:
        """The distance between the eyes, in pixels."""
        return float(np.linalg.norm(self.points[1] - self.points[0]))


def template(name: str) -> Template:
    """The template called `name`, or that of the size HEIGHTxWIDTH.

    The points of a size are derived from 112×112: they are scaled by height / 112 and stay in the middle of
    the width, so that 112x96 is `sphereface` and 112x112 is `arcface`.

    Raises:
        DataError: there is no such template, or the size is so narrow that the points would lie outside.

    Example:
        >>> template("arcface").points[0]
        array([38.2946, 51.6963])
    """
    size = _SIZE.fullmatch(name)
    if size is None and name not in SIZES:
        raise DataError(f"{unknown_name('template', name, SIZES)}, and sizes such as 128x128")
    height, width = (int(size[1]), int(size[2])) if size else SIZES[name]
    scale = height / _SIDE
    points = scale * np.array(_POINTS) + [(width - scale * _SIDE) / 2, 0]
    if points.min() < 0 or points[:, 0].max() > width - 1:
        raise DataError(f"template {name}: too narrow for a face of that height; give height x width")
    known = next((known for known, one in SIZES.items() if one == (height, width)), f"{height}x{width}")
    return Template(known, height, width, points)
