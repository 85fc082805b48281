"""The same pixels everywhere: the promise behind every number measured on synthetic faces."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nsface.synthetic import Size, write_lfw_set, write_training_set
from nsface.synthetic.camera import _blurred, _grain
from nsface.synthetic.conditions import Conditions
from nsface.synthetic.draws import Draws, ManyDraws
from nsface.synthetic.identity import TEST, TRAINING, Person
from nsface.synthetic.names import name_of
from nsface.synthetic.production import Shot, encoded, pixels

PINNED = "ff910ed996b5a280f19c464ef27a83697f3d09c76a3916a5150a5b81ee1ebc8f"

PROGRAM = """
from hashlib import sha256
from nsface.synthetic.production import Shot, pixels
images = [pixels(Shot("", 0, i // 25, i % 25)) for i in reversed(range(1000))]
print(sha256(b"".join(image.tobytes() for image in reversed(images))).hexdigest())
"""


def file_digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_pixels_of_a_thousand_images_are_pinned() -> None:
    """Change `PINNED` only together with the version of nsface: published numbers depend on these pixels."""
    digest = hashlib.sha256()
    for i in range(1000):
        digest.update(pixels(Shot("", TRAINING, i // 25, i % 25)).tobytes())
    assert digest.hexdigest() == PINNED


def test_another_process_without_vector_instructions_and_in_another_order() -> None:
    # Both libraries ignore the names of instructions that a machine lacks.
    plain = os.environ | {
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX AVX512_ICL",
        "OPENCV_CPU_DISABLE": "AVX2,AVX512-SKX,AVX512-ICL,FP16,FMA3,SSE4.2,SSE4.1",
        "PYTHONHASHSEED": "7",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], env=plain, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == PINNED


def test_any_number_of_workers_writes_the_same_files(tmp_path: Path) -> None:
    one = write_training_set(tmp_path / "one.tar", 20, 15, seed=3, workers=1)
    two = write_training_set(tmp_path / "two.tar", 20, 15, seed=3, workers=2)
    assert one.read_bytes() == two.read_bytes()
    write_lfw_set(tmp_path / "a", 2, 4)
    write_lfw_set(tmp_path / "b", 2, 4)
    assert file_digests(tmp_path / "a") == file_digests(tmp_path / "b")


def test_a_larger_set_begins_with_the_smaller_one(tmp_path: Path) -> None:
    small = file_digests(write_training_set(tmp_path / "small", 3, 2))
    large = file_digests(write_training_set(tmp_path / "large", 4, 3))
    assert small.items() <= large.items()
    assert len(large) == 12


def test_seed_population_session_and_frame_matter() -> None:
    shots = [
        pixels(Shot("", TRAINING, 0, 1)),
        pixels(Shot("", TRAINING, 0, 1), seed=1),
        pixels(Shot("", TEST, 0, 1)),
        pixels(Shot("", TRAINING, 1, 1)),
        pixels(Shot("", TRAINING, 0, 2)),
        pixels(Shot("", TRAINING, 0, 1, frame=1)),
        pixels(Shot("", TRAINING, 0, 1, frame=2)),
    ]
    assert len({shot.tobytes() for shot in shots}) == len(shots)
    assert all(shot.shape == (112, 96, 3) and shot.dtype == np.uint8 for shot in shots)


def test_the_wider_template_shows_the_same_face_eight_pixels_to_the_right() -> None:
    shot = Shot("", TRAINING, 2, 5)
    narrow, wide = pixels(shot).astype(int), pixels(shot, size=Size.H112_W112).astype(int)
    assert wide.shape == (112, 112, 3)
    middle = np.s_[40:100, 30:66]
    assert np.abs(narrow[middle] - wide[:, 8:104][middle]).mean() < 12  # but for its own grain


def test_draws_are_uniform_bell_shaped_and_within_their_bounds() -> None:
    draws = Draws(0, 1)
    uniform = np.array([draws.uniform(2, 4) for _ in range(4000)])
    bell = draws.bells(4000)
    assert uniform.min() >= 2
    assert uniform.max() < 4
    assert abs(uniform.mean() - 3) < 0.03
    assert abs(bell.mean()) < 0.05
    assert abs(bell.std() - 1) < 0.03
    assert np.abs(bell).max() <= 12**0.5
    assert sorted(draws.shuffled(range(50))) == list(range(50))
    assert {draws.below(3) for _ in range(100)} == {0, 1, 2}


def test_branches_are_blocks_of_one_philox_whatever_is_drawn_in_between() -> None:
    root = Draws(3, 1, 4)
    state = np.random.Philox(np.random.SeedSequence(3, spawn_key=(1, 4))).state["state"]
    oracle = np.random.Philox(key=state["key"], counter=[0, 7, 2, 6]).random_raw(40)
    branch = root.branch(7, 2, 5)
    drawn = [branch.raw(8), (root.raw(12), root.branch(8).raw(4), branch.raw(32))[2]]
    assert np.concatenate(drawn).tolist() == oracle.tolist()
    assert root.raw(4).tolist() == np.random.Philox(key=state["key"]).random_raw(16)[12:].tolist()


def test_many_draws_are_those_of_each_stream() -> None:
    words = [Draws(2, i).raw(4) for i in range(5)]
    many = ManyDraws([Draws(2, i) for i in range(5)])
    assert many.uniform(2, 4).tolist() == [2 + 2 * ((int(w[0]) >> 11) * 2.0**-53) for w in words]
    quarters = [sum(int(w[1]) >> shift & 0xFFFF for shift in (0, 16, 32, 48)) for w in words]
    assert many.bell() == pytest.approx([3**0.5 * (total / 2**16 - 2) for total in quarters], rel=1e-14)
    assert many.below(36).tolist() == [int(w[2]) % 36 for w in words]
    assert many.chance(0.5).tolist() == [int(w[3]) < 1 << 63 for w in words]


def test_images_drawn_together_are_those_drawn_alone() -> None:
    photographs = [Shot("", TRAINING, person, image) for person in (3, 4) for image in range(30)]
    frames = [Shot("", TRAINING, 4, video, frame) for video in (0, 1) for frame in range(0, 90, 7)]
    shots = [*photographs, *frames, *photographs[:3]]
    for size in Size:
        together = list(encoded(shots, 1, size))
        assert together == [next(encoded([shot], 1, size)) for shot in shots]
        assert len(set(together)) == len(shots) - 3


@given(arrays(np.int16, (9, 7, 3), elements=st.integers(-500, 2000)), st.integers(1, 6))
def test_blur_is_exact(image: np.ndarray, strength: int) -> None:
    """Against sums of Python integers: two passes of 1 2 1 at once, halves rounded up."""
    expected = image.astype(object)
    for passes in [2] * (strength // 2) + [1] * (strength % 2):
        weights = [comb(2 * passes, i) for i in range(2 * passes + 1)]
        for axis in (0, 1):
            pad = [(passes, passes) if axis == i else (0, 0) for i in range(3)]
            padded = np.pad(expected, pad, mode="edge")
            pieces = [np.take(padded, range(i, i + image.shape[axis]), axis) for i in range(2 * passes + 1)]
            expected = np.sum([weight * piece for weight, piece in zip(weights, pieces, strict=True)], axis=0)
        expected = (2 * expected + 16**passes) // (2 * 16**passes)
    assert _blurred(image, strength).tolist() == expected.tolist()


def test_grain_has_the_strength_that_is_asked_for() -> None:
    conditions = Conditions.of_photographs(Person.draw(0, TRAINING, 0), 0, range(12))
    for strength, noise in zip(conditions.grain, _grain(conditions, (112, 96)), strict=True):
        assert abs(noise.mean()) < 0.15
        assert noise.std() == pytest.approx(strength, rel=0.05, abs=0.1)


def test_names_are_distinct_and_relatives_resemble_each_other() -> None:
    numbers = [*range(3000), *range(267_690, 267_702), 10**9]
    assert len({name_of(number) for number in numbers}) == len(numbers)
    people = [Person.draw(0, TEST, number).traits for number in range(160)]
    near = [int(((people[i] - people[i + 1]) ** 2).sum()) for i in range(0, 160, 8)]
    far = [int(((people[i] - people[i + 9]) ** 2).sum()) for i in range(0, 144, 8)]
    assert np.mean(near) < 0.8 * np.mean(far)
