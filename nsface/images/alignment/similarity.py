"""The similarity transform between two sets of points, and its application to images."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.images.alignment.templates import Points, Template
from nsface.images.pixel_file import Pixels

Matrix = npt.NDArray[np.float64]


def umeyama(source: Points, target: Points) -> Matrix:
    """The similarity c R p + t (without reflection) that moves `source` to `target` with least squared error.

    With the centred points' covariance Σ = U D Vᵀ and S = diag(1, sign(det U det V)):
    R = U S Vᵀ, c = tr(D S) / σ², t = target's mean − c R source's mean.
    Umeyama, PAMI 1991, https://doi.org/10.1109/34.88573.

    Args:
        source, target: N × 2, x and y.

    Returns:
        2 × 3, [c R | t].

    Raises:
        DataError: points are not finite, or all of `source` are in one place.
    """
    if not np.isfinite(source).all():
        raise DataError("points that are not finite numbers")
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    centred = source - source_mean
    variance = float((centred**2).sum() / len(source))
    if variance < 1e-6:
        raise DataError("the points coincide")
    u, d, vt = np.linalg.svd((target - target_mean).T @ centred / len(source))
    s = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    scaled = (u * s) @ vt * float(d @ s) / variance
    return np.column_stack([scaled, target_mean - scaled @ source_mean])


def residual(points: Points, template: Template) -> float:
    """The distance of `points` from the shape of `template` after the transform.

    It is the root mean square distance as a share of the distance between the eyes. A face that is seen from
    the front has less than 0.2.

    Raises:
        DataError: see `umeyama`.
    """
    matrix = umeyama(points, template.points)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return float(np.sqrt(((moved - template.points) ** 2).sum(axis=1).mean()) / template.eye_distance)


def warp(pixels: Pixels, points: Points, template: Template) -> Pixels:
    """Move the five `points` of an image onto `template`: H × W × 3 → template's height × width × 3.

    The interpolation is bilinear, and what lies outside the image is black. A face that is more than twice as
    large as the template's is first reduced by averaging whole pixels, because interpolation would skip
    pixels.

    Raises:
        DataError: see `umeyama`; or the points are so near to each other that the face has less than 1/64 of
            the template's size.
    """
    matrix = umeyama(points, template.points)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale > 64:
        raise DataError("the points are too near to each other for a face")
    factor = int(1 / scale) if scale > 1 / max(pixels.shape[:2]) else 1
    if factor > 1:
        height, width = (side // factor for side in pixels.shape[:2])
        pixels = np.asarray(
            cv2.resize(
                pixels[: height * factor, : width * factor], (width, height), interpolation=cv2.INTER_AREA
            ),
            np.uint8,
        )
        # pixel u of the reduced image is the mean of pixels factor·u … factor·u + factor − 1
        matrix[:, 2] += matrix[:, :2] @ np.full(2, (factor - 1) / 2)
        matrix[:, :2] *= factor
    size = (template.width, template.height)
    return np.asarray(cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)
