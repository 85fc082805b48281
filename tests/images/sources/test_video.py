"""Video files as sequences of frames."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from nsface.errors import DataError
from nsface.images.decode import decode
from nsface.images.pixels import decode_into
from nsface.images.sources import VideoSource, open_source


def write_video(path: Path, frames: int, first: int = 0, codec: str = "MJPG") -> None:
    """Frame k is a flat grey of value 10 (first + k), which every codec keeps within a few grey levels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25.0, (96, 112))
    if not writer.isOpened():
        pytest.skip(f"this OpenCV cannot write {codec}")
    for k in range(frames):
        writer.write(np.full((112, 96, 3), 10 * (first + k), np.uint8))
    writer.release()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_video(tmp_path / "Ada" / "0.avi", 5)
    write_video(tmp_path / "Ada" / "1.mp4", 12, first=3, codec="mp4v")
    write_video(tmp_path / "Bo" / "7.avi", 3, first=20)
    (tmp_path / "Bo" / "notes.txt").write_text("passed over")
    return tmp_path


def value(pixels: np.ndarray) -> float:
    return float(pixels.mean()) / 10


def test_frames_have_names_and_come_in_order(folder: Path) -> None:
    source = open_source(str(folder))
    assert isinstance(source, VideoSource)
    expected = [f"Ada/0/{k:06d}.jpg" for k in range(5)] + [f"Ada/1/{k:06d}.jpg" for k in range(12)]
    assert list(source.names) == expected + [f"Bo/7/{k:06d}.jpg" for k in range(3)]
    grey = [*range(5), *range(3, 15), *range(20, 23)]
    np.testing.assert_allclose([value(source.pixels(i)) for i in range(20)], grey, atol=0.4)
    np.testing.assert_allclose([value(source.pixels(i)) for i in reversed(range(20))], grey[::-1], atol=0.4)
    assert np.array_equal(decode(source.read(7), ""), source.pixels(7))
    assert len(set(source.stamps())) == 20


def test_many_threads_read_what_one_reads(folder: Path) -> None:
    source = open_source(str(folder))
    order = np.random.default_rng(0).integers(0, 20, 200).tolist()
    one = [source.pixels(i) for i in range(20)]
    with ThreadPoolExecutor(8) as pool:
        for i, pixels in zip(order, pool.map(source.pixels, order), strict=True):
            assert np.array_equal(pixels, one[i])


def test_colours_are_in_order(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "red.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (96, 112))
    writer.write(np.full((112, 96, 3), (0, 0, 250), np.uint8))  # BGR
    writer.release()
    red, green, blue = open_source(str(tmp_path / "red.avi")).pixels(0).mean(axis=(0, 1))
    assert red > 200
    assert max(green, blue) < 40


def test_a_damaged_video_is_named_as_one_bad_frame(folder: Path) -> None:
    (folder / "Bo" / "8.mp4").write_bytes(b"no video at all")
    source = open_source(str(folder))
    assert len(source) == 21
    store = np.zeros((21, 112, 96, 3), np.uint8)
    bad = decode_into(store, source, range(21))
    assert list(bad) == [20]
    assert bad[20].startswith("Bo/8/000000.jpg: cannot be decoded")


def test_two_videos_of_one_name_are_refused(folder: Path) -> None:
    write_video(folder / "Ada" / "0.mov", 2)
    with pytest.raises(DataError, match="two videos are called Ada/0"):
        open_source(str(folder))


def test_images_win_over_videos(folder: Path) -> None:
    done, data = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))
    assert done
    (folder / "a.png").write_bytes(data.tobytes())
    assert list(open_source(str(folder)).names) == ["a.png"]
