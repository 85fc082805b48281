"""Templates, the similarity transform, warps, landmark files: against closed forms and by hand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.errors import DataError
from nsface.images.alignment import read_landmarks, template, umeyama, warp
from nsface.images.alignment.aligner import PointSource
from nsface.images.alignment.aligning import align
from nsface.images.alignment.detectors import Face, choose_face
from nsface.images.sources import open_source
from tests.images.pictures import encoded, picture

POINTS = [(30.2946, 51.6963), (65.5318, 51.5014), (48.0252, 71.7366), (33.5493, 92.3655), (62.7299, 92.2041)]


def test_templates_are_the_published_ones() -> None:
    small, large = template("sphereface"), template("arcface")
    np.testing.assert_allclose(small.points, POINTS, atol=1e-9)
    np.testing.assert_allclose(large.points, np.add(POINTS, [8, 0]), atol=1e-9)
    assert (small.height, small.width, template("112x96").name) == (112, 96, "sphereface")
    assert template("112x112").name == "arcface"
    np.testing.assert_allclose(template("224x224").points, 2 * large.points)


@pytest.mark.parametrize("name", ["insight", "112x30", "0x5", "112", "99999x10"])
def test_no_such_template(name: str) -> None:
    with pytest.raises(DataError, match="template"):
        template(name)


@given(st.integers(0, 2**32 - 1))
def test_umeyama_is_the_complex_least_squares_solution(seed: int) -> None:
    """In the plane a similarity is q = a p + b with complex a and b, and least squares has a closed form."""
    random = np.random.default_rng(seed)
    source, target = random.normal(size=(2, 5, 2)) * 30
    p, q = source @ [1, 1j], target @ [1, 1j]
    a = np.vdot(p - p.mean(), q - q.mean()) / np.vdot(p - p.mean(), p - p.mean())
    b = q.mean() - a * p.mean()
    expected = [[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]]
    np.testing.assert_allclose(umeyama(source, target), expected, atol=1e-8)


def test_umeyama_refuses_points_in_one_place() -> None:
    with pytest.raises(DataError, match="coincide"):
        umeyama(np.ones((5, 2)), np.array(POINTS))


def test_an_aligned_face_stays_as_it_is_and_outside_is_black() -> None:
    pixels = np.random.default_rng(0).integers(1, 256, (112, 96, 3), dtype=np.uint8)
    face = template("sphereface")
    np.testing.assert_array_equal(warp(pixels, face.points, face), pixels)
    moved = warp(pixels, np.add(face.points, [10, 0]), face)
    np.testing.assert_array_equal(moved[:, :86], pixels[:, 10:])
    assert not moved[:, 86:].any()


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_a_large_face_is_averaged_in_place(factor: int) -> None:
    """A face enlarged by whole blocks comes back exactly; one pixel off would show in this noise."""
    small = np.random.default_rng(factor).integers(0, 256, (112, 96, 3), dtype=np.uint8)
    large = small.repeat(factor, axis=0).repeat(factor, axis=1)
    face = template("sphereface")
    points = (face.points + 0.5) * factor - 0.5
    difference = np.abs(warp(large, points, face).astype(int) - small)
    assert difference.max() <= 1


@pytest.mark.parametrize("order", ["xyxy", "xxyy"])
def test_both_orders_are_recognised(tmp_path: Path, order: str) -> None:
    points = np.array(POINTS) * 1.5 + 20
    numbers = points.ravel() if order == "xyxy" else points.T.ravel()
    lines = [
        "# remark",
        "a b/1.jpg\t" + "\t".join(map(str, numbers)),
        "",
        "c/2.png " + " ".join(map(str, numbers)) + " 0.9",
    ]
    (tmp_path / "points.txt").write_text("\n".join(lines))
    read = read_landmarks(tmp_path / "points.txt")
    assert read.order == order
    for name, confidence in (("a b/1.png", None), ("c/2.png", 0.9)):
        located = read.of(name)
        assert located is not None
        np.testing.assert_allclose(located.points, points)
        assert located.confidence == confidence
    assert read.of("c/3.png") is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a.jpg 1 2 3\n", ":1: a name, ten numbers"),
        ("a.jpg 1 2 3 4 5 6 7 8 9 ten\n", ":1: a name"),
        ("a.jpg 1 2 3 4 5 6 7 8 9 nan\n", ":1: a name"),
        ("a.jpg 1 2 3 4 5 6 7 8 9 1e308\n", ":1: a name"),
        ("a.jpg 1 2 3 4 5 6 7 8 9 -inf\n", ":1: a name"),
        ("a.jpg " + "1 " * 100_000 + "\n", ":1: a line of 200,006 bytes"),
        ("# nothing\n", "no landmarks"),
        ("a.jpg 1 2 9 4 5 6 7 0 9 1\na.png 1 2 3 4 5 6 7 8 9 1\n", ":2: a.png is in a line above"),
        ("a.jpg 65 51 30 51 48 71 33 92 62 92\n", "neither order"),
    ],
)
def test_wrong_landmark_files(tmp_path: Path, text: str, wanted: str) -> None:
    (tmp_path / "points.txt").write_text(text)
    with pytest.raises(DataError, match=wanted):
        read_landmarks(tmp_path / "points.txt")


def test_choice_of_the_face() -> None:
    large = Face((0, 0, 40, 40), np.zeros((5, 2)), 0.9)
    central = Face((45, 45, 10, 10), np.ones((5, 2)), 0.8)
    assert choose_face([central, large], (100, 100), "largest") is large
    assert choose_face([large, central], (100, 100), "central") is central
    assert choose_face([], (100, 100), "largest") is None


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    for number, folder in enumerate(("a", "b")):
        path = tmp_path / folder / "1.png"
        path.parent.mkdir()
        path.write_bytes(encoded(picture(seed=number)))
    source = open_source(str(tmp_path))
    source.names = ["1.png", "1.png"]
    with pytest.raises(DataError, match=r"1\.png and 1\.png would both become 1\.jpg"):
        align(source, tmp_path / "out", template("sphereface"), PointSource())
    assert not (tmp_path / "out").exists()


FACE = np.array(POINTS)
EYES, MOUTH, ALL = [1, 0, 2, 3, 4], [0, 1, 2, 4, 3], [1, 0, 2, 4, 3]


@pytest.mark.parametrize(
    ("points", "why"),
    [
        (FACE + 4000, r"5 of the five points lie outside the image, 112×96 .*residual 0\.00"),
        (FACE - [60, 0], r"3 of the five points lie outside .*residual 0\.00"),
        (FACE * 9, r"of the five points lie outside .*residual 0\.00"),
        (FACE[EYES], r"not those of a face: residual 0\.5"),
        (FACE[MOUTH], r"not those of a face: residual 0\.4"),
        (FACE[ALL], r"not those of a face: residual 0\.6"),
        (np.add(FACE.round(-2), [[0, 0], [0, 0], [0, 0], [0, 0], [1, 1]]), "not those of a face: residual"),
    ],
)
@pytest.mark.parametrize("order", ["xyxy", "xxyy"])
def test_points_that_are_no_face_are_left_out(
    tmp_path: Path, points: np.ndarray, why: str, order: str
) -> None:
    lines = []
    for number in range(6):
        (tmp_path / "set" / "p").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / "p" / f"{number}.png").write_bytes(encoded(picture(112, 96, seed=number)))
        given = points if number in (2, 4) else FACE + number / 10
        numbers = given.ravel() if order == "xyxy" else given.T.ravel()
        lines.append(f"p/{number}.png " + " ".join(f"{value:.2f}" for value in numbers) + "\n")
    (tmp_path / "points.txt").write_text("# remark\n" + "".join(lines))
    point_source = PointSource(read_landmarks(tmp_path / "points.txt"))
    done = align(
        open_source(str(tmp_path / "set")),
        tmp_path / "out",
        template("sphereface"),
        point_source,
        file_format="png",
    )
    assert done.images == 4
    assert [name for name, _ in done.left_out] == ["p/2.png", "p/4.png"]
    for (_, reason), line in zip(done.left_out, (4, 6), strict=True):
        assert re.search(rf"points\.txt:{line}: .*{why}", reason)
    assert sorted(path.name for path in (tmp_path / "out" / "p").iterdir()) == [
        f"{n}.png" for n in (0, 1, 3, 5)
    ]
    assert len((tmp_path / "out" / "left_out.txt").read_text().splitlines()) == 2


@pytest.mark.parametrize("yaw", [0, 30, 60, 80])
def test_a_face_in_profile_is_one(tmp_path: Path, yaw: float) -> None:
    """Five points of a head, turned: the nose is nearer than the eyes."""
    head = np.array([[-31, 0, 0], [31, 0, 0], [0, 35, -25], [-26, 70, 0], [26, 70, 0]])
    turn = np.radians(yaw)
    across = head[:, 0] * np.cos(turn) + head[:, 2] * np.sin(turn)
    points = np.column_stack([across + 48, head[:, 1] + 20])
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "1.png").write_bytes(encoded(picture(112, 96)))
    (tmp_path / "points.txt").write_text("1.png " + " ".join(map(str, points.ravel())) + "\n")
    point_source = PointSource(read_landmarks(tmp_path / "points.txt", "xyxy"))
    done = align(open_source(str(tmp_path / "set")), tmp_path / "out", template("sphereface"), point_source)
    assert (done.images, done.left_out) == (1, [])
