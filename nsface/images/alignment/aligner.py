"""The alignment of one face: five points from a file or a detector, moved to those of a template."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nsface.errors import DataError, NsfaceError
from nsface.files import digest, reason
from nsface.images.alignment.detectors import Detector, FaceChoice, Mtcnn, YuNet, choose_face
from nsface.images.alignment.landmarks import Landmarks, Located
from nsface.images.alignment.similarity import residual, warp
from nsface.images.alignment.templates import Template
from nsface.images.pixel_file import Pixels
from nsface.images.sources import Source

# the residual of five points beyond which they are no face: a full profile has 0.44, the eyes exchanged give
# 0.56, the corners of the mouth 0.48; of LFW's 13,233 images none has more than 0.39
NO_FACE = 0.45


@dataclass(frozen=True)
class PointSource:
    """Where the five points come from: a landmark file, or a detector and the face that it chooses.

    Attributes:
        landmarks: the points of all images; None where a detector finds them.
        model: the file of YuNet; None for MTCNN. It does not matter where there are `landmarks`.
        choice: which of several faces in an image is aligned.
    """

    landmarks: Landmarks | None = None
    model: str | None = None
    choice: FaceChoice = "largest"

    def describe(self) -> dict[str, Any]:
        """The settings that decide the points, for the plan.

        Raises:
            NsfaceError: YuNet's file cannot be read.
        """
        if self.landmarks is not None:
            content = "".join(f"{name}{one.points.tolist()}" for name, one in self.landmarks.located.items())
            found = hashlib.sha256(content.encode()).hexdigest()
            return {"landmarks": {"order": self.landmarks.order, "sha256": found}}
        if self.model is None:
            return {"detector": "mtcnn", "face": self.choice}
        try:
            found = digest(self.model)
        except OSError as error:
            raise NsfaceError(f"{self.model}: cannot be read: {reason(error)}") from error
        return {"detector": "yunet", "model": found, "face": self.choice}

    def detector(self) -> Detector:
        """A new detector, for one thread."""
        return Mtcnn() if self.model is None else YuNet(self.model)


class Aligner:
    """A function that aligns the face in an image to `template`; several threads may call it.

    Raises:
        ModelError, NsfaceError: the detector cannot be used.
    """

    def __init__(self, template: Template, point_source: PointSource) -> None:
        self.template, self._point_source = template, point_source
        # a detector serves one thread at a time, and takes longer to make than to use
        self._idle: deque[Detector] = deque()
        if point_source.landmarks is None:
            self._idle.append(point_source.detector())

    def __call__(self, name: str, pixels: Pixels) -> tuple[Pixels, Located]:
        """The aligned face, and its points in the image `name` with these `pixels`, RGB, uint8, H × W × 3.

        Raises:
            DataError: there is no face, or the points of the file are none.
        """
        located = self._locate(name, pixels)
        return warp(pixels, located.points, self.template), located

    def describe(self) -> dict[str, Any]:
        """What embeddings of the aligned faces say under `alignment`, with what decides the points.

        Raises:
            NsfaceError: YuNet's file cannot be read.
        """
        size = [self.template.height, self.template.width]
        points = {"detector": "landmarks"} | self._point_source.describe()
        return {"template": self.template.name, "size": size, **points}

    def _locate(self, name: str, pixels: Pixels) -> Located:
        landmarks = self._point_source.landmarks
        if landmarks is not None:
            given = landmarks.of(name)
            if given is None:
                raise DataError(f"not in {landmarks.location}")
            _check_points(given, pixels, self.template, landmarks.location)
            return given
        try:
            detector = self._idle.pop()
        except IndexError:  # all are in use
            detector = self._point_source.detector()
        faces = detector.find(pixels)
        self._idle.append(detector)
        face = choose_face(faces, pixels.shape, self._point_source.choice)
        if face is None:
            raise DataError("no face found")
        return Located(face.points, face.confidence, faces=len(faces))


class AlignedSource(Source):
    """The images of `source` as faces aligned to a template, each when its pixels are asked for.

    An image without a face raises a DataError, as one that cannot be decoded does. `read` gives the image
    that the face is in.

    Raises:
        ModelError, NsfaceError: the detector cannot be used.

    Example:
        >>> aligner = Aligner(template("arcface"), PointSource(model="yunet.onnx"))  # doctest: +SKIP
        >>> faces = AlignedSource(open_source("photos"), aligner)  # doctest: +SKIP
        >>> faces.pixels(0).shape  # doctest: +SKIP
        (112, 112, 3)
    """

    def __init__(self, source: Source, aligner: Aligner) -> None:
        self._source, self._aligner = source, aligner
        self.kind, self.location = source.kind, source.location
        self.passed_over, self.remarks = source.passed_over, source.remarks

    @property
    def names(self) -> Sequence[str]:  # type: ignore[override]  # those of a source whose paths still arrive
        return self._source.names

    @property
    def identities(self) -> Sequence[str]:
        return self._source.identities

    @property
    def labelled(self) -> bool:
        return self._source.labelled

    def arriving(self) -> Iterator[int]:
        return self._source.arriving()

    def close(self) -> None:
        self._source.close()

    def read(self, index: int) -> bytes:
        return self._source.read(index)

    def stamps(self) -> Iterable[tuple[str, int]]:
        return self._source.stamps()

    def pixels(self, index: int) -> Pixels:
        name = self.names[index]
        pixels = self._source.pixels(index)
        try:
            return self._aligner(name, pixels)[0]
        except DataError as error:
            raise DataError(f"{name}: {error}") from error


def _check_points(given: Located, pixels: Pixels, template: Template, location: str) -> None:
    """Raise a DataError about points from a file that lie outside the image, or have not the shape of a face.

    Raises:
        DataError: it names the file, the line and the residual.
    """
    place = location if given.line is None else f"{location}:{given.line}"
    distance = residual(given.points, template)
    height, width = pixels.shape[:2]
    inside = ((given.points >= -0.5) & (given.points <= [width - 0.5, height - 0.5])).all(axis=1)
    if inside.sum() < 3:
        raise DataError(
            f"{place}: {5 - int(inside.sum())} of the five points lie outside the image, {height}×{width} "
            f"(height × width); residual {distance:.2f}"
        )
    if distance > NO_FACE:
        raise DataError(f"{place}: the points are not those of a face: residual {distance:.2f}")
