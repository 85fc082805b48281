"""Video files: each is a sequence of frames, decoded by OpenCV."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.images.sources.base import Source, is_hidden, printable, without_common_folder

VIDEO_EXTENSIONS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"})
_OPEN = 16  # videos kept open between reads
_END = 1 << 16  # bytes


class VideoSource(Source):
    """All frames of a video file, or of every video file below a folder, in byte order of the paths.

    Frame 123 of `Person/0.mp4` is called `Person/0/000123.jpg`. Frames are counted by decoding them, because
    the number that a container states is often wrong. A video that cannot be decoded has one frame, number 0,
    which cannot be read: so it is named and counted like any damaged image.

    Raises:
        DataError: two videos differ only by their extension.
    """

    kind = "video"
    fingerprint_samples = 0

    def __init__(self, location: Path) -> None:
        self.location = str(location)
        root = location if location.is_dir() else location.parent
        found = find_videos(location)
        self._paths = [root / name for name in found]
        stems = [str(PurePosixPath(name).with_suffix("")) for name in found]
        for earlier, later in pairwise(stems):
            if earlier == later:
                raise DataError(f"{location}: two videos are called {earlier}; rename one of them")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            counts = list(pool.map(count_frames, self._paths))
        self._places = [(video, frame) for video, n in enumerate(counts) for frame in range(max(n, 1))]
        self.names = without_common_folder(
            [printable(f"{stems[video]}/{frame:06d}.jpg") for video, frame in self._places]
        )
        self._idle: list[_Cursor] = []
        self._lock = threading.Lock()

    def pixels(self, index: int) -> npt.NDArray[np.uint8]:
        video, frame = self._places[index]
        cursor = self._cursor_at(video, frame)
        pixels = cursor.read(frame)
        if pixels is None:
            raise DataError(f"{self.names[index]}: cannot be decoded from {self._paths[video]}")
        with self._lock:
            self._idle.append(cursor)
            del self._idle[:-_OPEN]
        return np.ascontiguousarray(pixels[:, :, ::-1])

    def read(self, index: int) -> bytes:
        """The frame as an uncompressed BMP file."""
        done, data = cv2.imencode(".bmp", self.pixels(index)[:, :, ::-1])
        if not done:
            raise DataError(f"{self.names[index]}: cannot be encoded")
        return data.tobytes()

    def stamps(self) -> Iterable[tuple[str, int]]:
        stamps = [_stamp(path) for path in self._paths]
        for video, frame in self._places:
            stamp, changed = stamps[video]
            yield f"{stamp} {frame}", changed

    def _cursor_at(self, video: int, frame: int) -> _Cursor:
        """An open video whose next frame is `frame`, or the nearest one before it.

        Frames are read in order, because a seek is inexact in many formats.
        """
        with self._lock:
            fitting = [c for c in self._idle if c.video == video and c.position <= frame]
            if fitting:
                cursor = max(fitting, key=lambda c: c.position)
                self._idle.remove(cursor)
                return cursor
        return _Cursor(video, cv2.VideoCapture(str(self._paths[video])))


def _stamp(path: Path) -> tuple[str, int]:
    """Size of a video and digest of its first and last bytes, and when it was changed."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        ends = file.read(_END)
        file.seek(max(0, status.st_size - _END))
        ends += file.read(_END)
    return f"{status.st_size} {hashlib.sha256(ends).hexdigest()}", status.st_mtime_ns


@dataclass(eq=False)
class _Cursor:
    """An open video; `position` is the number of the next frame."""

    video: int
    capture: cv2.VideoCapture
    position: int = 0

    def read(self, frame: int) -> npt.NDArray[np.uint8] | None:
        """Frame `frame`, BGR, which is not before `position`; None where there is none."""
        while self.position < frame:
            if not self.capture.grab():
                return None
            self.position += 1
        done, pixels = self.capture.read()
        self.position += 1
        return np.asarray(pixels, dtype=np.uint8) if done else None


def find_videos(location: Path) -> list[str]:
    """Sorted paths, relative and with `/`, of the videos below the folder `location`, or of that file."""
    if not location.is_dir():
        return [location.name] if is_video_name(location.name) else []
    return sorted(
        (Path(folder) / file).relative_to(location).as_posix()
        for folder, _, files in os.walk(location)
        for file in files
        if is_video_name(file)
    )


def is_video_name(name: str) -> bool:
    """Whether `name` has the extension of a video file and is not hidden."""
    return PurePosixPath(name).suffix.lower() in VIDEO_EXTENSIONS and not is_hidden(name)


def count_frames(path: Path) -> int:
    """How many frames of the video `path` can be decoded; 0 where it is no video."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    return count
