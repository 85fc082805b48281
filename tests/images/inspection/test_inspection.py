"""Inspection: each planted fault is named once, with its reason, and the numbers are those of the set."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from nsface.errors import DataError
from nsface.images.inspection.result import inspect, label_gaps, odd_name
from nsface.images.inspection.scan import scan
from nsface.images.sources import open_source
from nsface.report.data_figures import contact_sheet, draw_inspection
from tests.images.pictures import encoded, picture
from tests.images.records import content, write_rec

SIZE = (28, 24)


def face(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture with structure, redder than blue."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 200, (12, 10, 3), dtype=np.uint8)
    coarse[..., 0] = np.maximum(coarse[..., 0], coarse[..., 2]) + 40
    return np.asarray(cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 images of 100 identities, as PNG."""
    root = tmp_path_factory.mktemp("faces") / "set"
    for number in range(2000):
        path = root / f"{number % 100:03d}" / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(face(number)))
    return root


def inspected(location: Path) -> dict[str, Any]:
    source = open_source(str(location))
    return inspect(source, scan(source, workers=2)).to_json()


def test_a_sound_set_has_no_faults(faces: Path) -> None:
    result = inspected(faces)
    assert result["kind"] == "folder"
    assert result["images"] == 2000
    assert result["identities"] == 100
    assert result["images_per_identity"] == {"min": 20, "median": 20.0, "max": 20}
    assert result["histogram"] == {"20": 100}
    assert result["sizes"] == [{"height": 28, "width": 24, "images": 2000}]
    lists = ["unreadable", "other_sizes", "blank", "grey", "swapped_colour", "duplicates", "near_duplicates"]
    assert [result[key] for key in [*lists, "odd_names", "passed_over", "remarks"]] == [[]] * 10
    assert result["empty"] == result["without_identity"] == result["duplicates_across_identities"] == 0
    assert result["label_gaps"] is None
    assert not result["looks_swapped"]


def plant(root: Path) -> dict[str, tuple[str, str]]:
    """Faults in a copy of the set: name → (key of the result, reason)."""
    sound = (root / "000" / "0000.png").read_bytes()
    jpeg = encoded(face(1), ".jpg")
    files: dict[str, tuple[bytes | np.ndarray[Any, Any], str, str]] = {
        "000/zero.jpg": (b"", "unreadable", "empty file"),
        "001/text.jpg": (b"I am a text\n", "unreadable", "not an image that can be read"),
        "002/cut.jpg": (jpeg[:-30], "unreadable", "truncated image"),
        "003/cut.png": (sound[:-20], "unreadable", "truncated image"),
        "004/noise.png": (
            sound[:40] + bytes(50) + sound[90:],
            "unreadable",
            "not an image, or a damaged one",
        ),
        "005/bomb.png": (
            sound[:16] + b"\0\0\xc3P" * 2 + sound[24:],
            "unreadable",
            "states that it is 50000×50000",
        ),
        "006/wide.png": (cv2.resize(face(9993), (40, 28)), "other_sizes", ""),
        "007/black.png": (np.zeros((*SIZE, 3), np.uint8), "blank", ""),
        "008/blue.png": (np.ascontiguousarray(face(9999)[..., ::-1]), "swapped_colour", ""),
        "009/grey.png": (cv2.cvtColor(face(9998), cv2.COLOR_RGB2GRAY), "grey", ""),
        "010/.hidden.png": (sound, "passed_over", "hidden file"),
        "011/notes.txt": (b"what", "passed_over", "no image's extension"),
        "012/e\u0301.png": (face(9997), "odd_names", "letters and their accents are separate"),
        "013/" + "n" * 240 + ".png": (face(9996), "odd_names", "a part of 244 bytes"),
        "014/\udce9.png": (face(9995), "odd_names", "not UTF-8"),
        "015/é ß 顔.png": (face(9994), "", ""),
    }
    for name, (data, _, _) in files.items():
        (root / name).write_bytes(data if isinstance(data, bytes) else encoded(data))
    (root / "016" / "loop.png").symlink_to("loop.png")
    (root / "round").symlink_to(".")
    (root / "empty").mkdir()
    os.mkfifo(root / "017" / "pipe.png")
    faults = {name.replace("\udce9", "\\xe9"): (key, why) for name, (_, key, why) in files.items() if key}
    return faults | {
        "016/loop.png": ("unreadable", "too many levels of symbolic links"),
        "017/pipe.png": ("unreadable", "not a regular file"),
        "round": ("passed_over", "link to a folder, not followed"),
        "empty": ("passed_over", "empty folder"),
    }


def test_every_planted_fault_is_named_once(faces: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(faces, root)
    faults = plant(root)
    shutil.copy(root / "018" / "0018.png", root / "018" / "equal.png")
    shutil.copy(root / "019" / "0019.png", root / "020" / "other identity.png")
    image = np.asarray(cv2.imread(str(root / "021" / "0021.png")))
    cv2.imwrite(str(root / "021" / "similar.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    result = inspected(root)
    assert result["duplicates"] == [
        ["018/0018.png", "018/equal.png"],
        ["019/0019.png", "020/other identity.png"],
    ]
    assert result["near_duplicates"] == [["021/0021.png", "021/similar.jpg"]]
    assert result["duplicates_across_identities"] == 1
    named: Counter[str] = Counter()
    for key in ("unreadable", "other_sizes", "blank", "grey", "swapped_colour", "odd_names", "passed_over"):
        for item in result[key]:
            name = item if isinstance(item, str) else item["name"]
            named[name] += 1
            expected, why = faults[name]
            assert key == expected, name
            assert isinstance(item, str) or why in item["reason"], item
    assert named == Counter(faults.keys())
    assert result["empty"] == 1
    assert result["images"] == 2000 + 19
    assert len(result["unreadable"]) == 8
    assert not result["looks_swapped"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_without_permission(faces: Path, tmp_path: Path) -> None:
    shutil.copytree(faces / "000", tmp_path / "set" / "000")
    (tmp_path / "set" / "000" / "0000.png").chmod(0)
    result = inspected(tmp_path / "set")
    assert result["unreadable"] == [{"name": "000/0000.png", "reason": "permission denied"}]
    (tmp_path / "set" / "000").chmod(0)
    with pytest.raises(DataError, match="000: cannot be read: permission denied"):
        open_source(str(tmp_path / "set"))
    (tmp_path / "set" / "000").chmod(0o755)


def test_swapped_channels_of_the_whole_set(tmp_path: Path) -> None:
    for number in range(6):
        path = tmp_path / "set" / "A" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(np.ascontiguousarray(face(number)[..., ::-1])))
    assert inspected(tmp_path / "set")["looks_swapped"]


def test_labels_with_gaps(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    write_rec(path, [content(encoded(face(n)), label) for n, label in enumerate([2, 2, 3, 9, 5])])
    (tmp_path / "property").write_text("10,112,112")
    result = inspected(path)
    assert result["label_gaps"] == {"first": 2, "last": 9, "missing": 4, "ranges": [[4, 4], [6, 8]]}
    assert result["identities"] == 4
    assert result["single_image_identities"] == 3
    assert "says 10 identities" in result["remarks"][0]
    assert label_gaps(["0", "1", "2"]) == {"first": 0, "last": 2, "missing": 0, "ranges": []}
    assert label_gaps(["a", "1"]) is None
    assert label_gaps([]) is None


def test_mean_face_and_alignment(faces: Path, tmp_path: Path) -> None:
    source = open_source(str(faces / "000"))
    scanned = scan(source, workers=1)
    pixels = np.stack([source.pixels(index) for index in range(len(source))]).astype(float)
    assert np.array_equal(scanned.mean_face, np.round(pixels.mean(axis=0)).astype(np.uint8))
    assert 0 < scanned.alignment < 0.6
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(encoded(face(1)))
    assert scan(open_source(str(tmp_path)), workers=1).alignment == pytest.approx(1)


def test_names() -> None:
    assert odd_name("A/é.jpg") is None
    assert odd_name("A/" + "x" * 200) is None
    assert "not UTF-8" in str(odd_name("A/\\xff.jpg"))


def test_figures(faces: Path, tmp_path: Path) -> None:
    shutil.copytree(faces / "000", tmp_path / "set" / "000")
    shutil.copy(faces / "000" / "0000.png", tmp_path / "set" / "000" / "again.png")
    (tmp_path / "set" / "000" / "bad.png").touch()
    source = open_source(str(tmp_path / "set"))
    scanned = scan(source)
    result = inspect(source, scanned).to_json()
    draw_inspection(tmp_path / "out", source, result, scanned.mean_face)
    assert sorted(os.listdir(tmp_path / "out")) == [
        "alignment.png", "contact-sheet.png", "duplicates.png", "images-per-identity.png",
        "images-per-identity.svg", "mean-face.png",
    ]  # fmt: skip
    written = np.asarray(cv2.imread(str(tmp_path / "out" / "mean-face.png")))[..., ::-1]
    assert np.array_equal(written, scanned.mean_face)
    sheet = contact_sheet(source, result, *SIZE)
    assert sheet.shape == (2 * 30, 12 * 26, 3)
    assert np.array_equal(sheet[:28, :24], source.pixels(0))
    assert np.array_equal(sheet[30:58, 26 : 26 + 24], source.pixels(13))


def test_the_mean_of_large_pictures_is_small(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(encoded(picture(1500, 3000, number), ".jpg"))
    scanned = scan(open_source(str(tmp_path)))
    assert scanned.sizes.tolist() == [[1500, 3000]] * 2
    assert scanned.mean_face.shape == (256, 512, 3)


@pytest.mark.parametrize("label", ["9" * 5000, "1" * 19])
def test_labels_of_very_many_digits_have_no_gaps(label: str) -> None:
    assert label_gaps(["1", label]) is None
