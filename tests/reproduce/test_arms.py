"""The arms of a table differ in what they say, and in nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nsface.ranks import ALONE
from nsface.recipe.text import dotted
from nsface.reproduce.arms import ARMS, BASELINE
from nsface.reproduce.jobs import Job, jobs_of
from nsface.training.data import make_loader, training_set
from nsface.training.kept import Kept

Given = dict[str, Any]
OTHER_IMAGES = {"noisy-contrastive", "softmax-augmented", "noisy-augmented"}  # as their titles and notes say


def jobs(given: Given, *arms: str, seeds: tuple[int, ...] = (0,), recipe: str = "cifar10") -> list[Job]:
    return jobs_of(recipe, {}, arms, seeds, Path("out"), given)


@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm != BASELINE])
def test_a_recipe_differs_from_that_of_the_baseline_in_the_keys_of_the_arm_alone(
    arm: str, given: Given
) -> None:
    against = ARMS[arm].against
    given.pop("batch_size")  # which a sampler decides
    own, other = (dotted(job.recipe.model_dump()) for job in jobs(given, arm, against))
    differing = {key for key in {*own, *other} if own.get(key) != other.get(key)}
    decided = {*ARMS[arm].changes, *ARMS[against].changes}
    assert differing
    assert {key for key in differing if key not in decided and key.split(".")[0] not in decided} == set()


def test_every_arm_is_tested_against_one_that_is_there() -> None:
    assert all(ARMS[arm.against].against in ARMS for arm in ARMS.values())
    assert ARMS[BASELINE].against == BASELINE


def batches(job: Job, kept: Kept) -> list[tuple[Tensor, Tensor]]:
    """The images and labels of two epochs."""
    source, chosen, labels, _ = training_set(job.recipe, None, kept.source)
    device = torch.device("cpu")
    loader = make_loader(job.recipe, source, chosen, labels, device, ALONE, None, kept.decoded)
    with loader:
        return [
            (images.clone(), labels.clone()) for epoch in (0, 1) for images, labels in loader.epoch(epoch, 0)
        ]


def test_all_arms_see_the_same_images_in_the_same_order_with_the_same_augmentation(given: Given) -> None:
    kept, arms = Kept(), [arm for arm in ARMS if arm not in OTHER_IMAGES]
    first, *others = (batches(job, kept) for job in jobs(given, *arms, recipe="cifar10-plus"))
    assert len(first) == 6
    for other in others:
        for (images, labels), (same_images, same_labels) in zip(first, other, strict=True):
            assert torch.equal(images, same_images)
            assert torch.equal(labels, same_labels)


def test_another_seed_has_another_order_and_another_augmentation(given: Given) -> None:
    kept = Kept()
    first, second = (batches(job, kept) for job in jobs(given, BASELINE, seeds=(0, 1), recipe="cifar10-plus"))
    assert [labels.tolist() for _, labels in first] != [labels.tolist() for _, labels in second]
    plain, moved = (
        batches(jobs(given, BASELINE, recipe=recipe)[0], kept) for recipe in ("cifar10", "cifar10-plus")
    )
    assert torch.equal(plain[0][1], moved[0][1])
    assert not torch.equal(plain[0][0], moved[0][0])


def test_all_arms_have_the_first_seed_first(given: Given) -> None:
    made = jobs(given, BASELINE, "free", seeds=(3, 1))
    assert [job.folder.name for job in made] == ["softmax-seed3", "free-seed3", "softmax-seed1", "free-seed1"]
    assert [job.recipe.seed for job in made] == [3, 3, 1, 1]


def test_epochs_take_the_place_of_the_iterations_of_a_small_table(given: Given, tmp_path: Path) -> None:
    small = {"iterations": 1000, "network.channels": 8}
    own = {key: value for key, value in given.items() if key != "iterations"}
    (job,) = jobs_of("cifar10", small, ["softmax"], [0], tmp_path, {**own, "epochs": 3})
    assert (job.recipe.epochs, job.recipe.iterations, job.length) == (3, None, 3)
    assert job.recipe.schedule.milestones == [1.5, 2.25]
