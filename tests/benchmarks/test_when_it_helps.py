"""benchmarks/when_it_helps.py: the parts that it takes of a set, and its table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from scipy.stats import ttest_rel
from when_it_helps import VARIANTS, jobs, part, row, table

from nsface.images.sources import open_source
from tests.reproduce.small import outcome


def test_a_part_has_as_many_training_images_of_each_class_and_all_test_images(tmp_path: Path) -> None:
    for half, count in (("train", 3), ("test", 2)):
        for name in ("cat", "dog"):
            (tmp_path / "set" / half / name).mkdir(parents=True)
            for index in range(count):
                (tmp_path / "set" / half / name / f"{index}.jpg").write_bytes(f"{half}{name}{index}".encode())
    made = open_source(str(part(tmp_path / "set", 1, tmp_path / "part.tar")))
    assert Counter(name.rsplit("/", 1)[0] for name in made.names) == {
        "train/cat": 1, "train/dog": 1, "test/cat": 2, "test/dog": 2,
    }  # fmt: skip
    assert made.read(list(made.names).index("test/dog/1.jpg")) == b"testdog1"


def test_differences_are_paired_by_seed() -> None:
    errors = {"softmax": [0.30, 0.32, 0.31], "noisy-0.1": [0.29, 0.30, 0.285]}
    of = {arm: [outcome(arm, seed, error) for seed, error in enumerate(own)] for arm, own in errors.items()}
    found = row("noisy-0.1", of["noisy-0.1"][::-1], of["softmax"])
    expected = ttest_rel(errors["noisy-0.1"], errors["softmax"])
    assert found["p"] == pytest.approx(expected.pvalue)
    assert found["interval"] == pytest.approx(tuple(expected.confidence_interval()))
    assert "difference" not in row("softmax", of["softmax"], of["softmax"])
    assert "| 29.17 ± 0.76 | −1.83 |" in table({"as a rule": [found]})


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_changes_its_arms_alike(name: str, tmp_path: Path) -> None:
    made = jobs(VARIANTS[name], tmp_path, tmp_path / "images.tar")
    assert len(made) == len(VARIANTS[name].arms) * VARIANTS[name].seeds
    rest = {job.recipe.model_dump_json(exclude={"head", "seed", "network"}) for job in made}
    assert len(rest) == 1
    biased = {job.recipe.head.arguments.get("bias", False) for job in made if job.arm != "l-softmax"}
    assert biased == {VARIANTS[name].bias}
