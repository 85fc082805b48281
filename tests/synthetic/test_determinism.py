"""The same pixels everywhere: the promise behind every number measured on synthetic faces."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from nsface.synthetic import Size, write_lfw_set, write_training_set
from nsface.synthetic.draws import Draws
from nsface.synthetic.identity import TEST, TRAINING, Person
from nsface.synthetic.names import name_of
from nsface.synthetic.production import Shot, pixels

PINNED = "854924d0d9d239428adb3889efa5f77e5b9a8c397c99c3e4ed181458ffeba0cd"

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
    # NumPy ignores the names of instructions that a machine lacks.
    plain = os.environ | {
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX AVX512_ICL",
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
    bell = np.array([draws.bell() for _ in range(4000)])
    assert uniform.min() >= 2
    assert uniform.max() < 4
    assert abs(uniform.mean() - 3) < 0.03
    assert abs(bell.mean()) < 0.05
    assert abs(bell.std() - 1) < 0.03
    one_by_one = Draws(5, 2)
    assert Draws(5, 2).bells(200).tolist() == [one_by_one.bell() for _ in range(200)]
    assert sorted(draws.shuffled(range(50))) == list(range(50))
    assert {draws.below(3) for _ in range(100)} == {0, 1, 2}


def test_names_are_distinct_and_relatives_resemble_each_other() -> None:
    numbers = [*range(3000), *range(267_690, 267_702), 10**9]
    assert len({name_of(number) for number in numbers}) == len(numbers)
    people = [Person.draw(0, TEST, number).traits for number in range(160)]
    near = [int(((people[i] - people[i + 1]) ** 2).sum()) for i in range(0, 160, 8)]
    far = [int(((people[i] - people[i + 9]) ** 2).sum()) for i in range(0, 144, 8)]
    assert np.mean(near) < 0.8 * np.mean(far)
