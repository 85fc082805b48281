"""Batches: every image once an epoch, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import numpy as np
import torch

from nsface.images.batches.augmentation import Augmentation
from nsface.images.batches.loader import Loader
from nsface.images.batches.sampling import Shuffled


def loader(
    images: int = 10, batch_size: int = 4, seed: int = 0, shift: int = 0, part: slice = slice(None)
) -> Loader:
    pixels = np.zeros((images, 6, 5, 3), np.uint8)
    pixels[:, 2, 3, 0] = np.arange(images)
    augmentation = Augmentation(mirror=False, shift=shift)
    sampler = Shuffled(images, batch_size, seed)
    return Loader(pixels, np.arange(images), sampler, augmentation, seed, torch.device("cpu"), part=part)


def order(batches: Loader, epoch: int) -> list[int]:
    return [int(label) for _, labels in batches.epoch(epoch) for label in labels]


def test_an_epoch_holds_each_image_once_with_its_label() -> None:
    batches = loader(images=12)
    assert batches.batches_per_epoch == 3
    assert sorted(order(batches, 0)) == list(range(12))
    for images, labels in batches.epoch(0):
        assert torch.equal(images[:, 0, 2, 3].long(), labels)


def test_epochs_differ_and_repeat() -> None:
    batches = loader(images=12)
    assert order(batches, 0) != order(batches, 1)
    assert order(batches, 1) == order(loader(images=12), 1)
    assert order(batches, 0) != order(loader(images=12, seed=1), 0)


def test_the_last_partial_batch_is_left_out_but_a_small_set_is_one_batch() -> None:
    assert len(order(loader(images=10), 0)) == 8
    assert len(order(loader(images=3), 0)) == 3


def test_an_epoch_entered_in_the_middle_goes_on_as_it_would_have() -> None:
    whole = list(loader(shift=2, images=20).epoch(3))
    rest = list(loader(shift=2, images=20).epoch(3, first=2))
    assert len(rest) == len(whole) - 2
    for (images, labels), (expected, expected_labels) in zip(rest, whole[2:], strict=True):
        assert torch.equal(images, expected)
        assert torch.equal(labels, expected_labels)


def test_parts_make_up_the_batch_and_know_all_its_labels() -> None:
    parts = [list(loader(part=slice(start, start + 2)).epoch(1)) for start in (0, 2)]
    for (whole, labels), *shared in zip(loader().epoch(1), *parts, strict=True):
        assert torch.equal(torch.cat([images for images, _ in shared]), whole)
        assert all(torch.equal(of_part, labels) for _, of_part in shared)


def test_parts_are_augmented_independently() -> None:
    marks = [
        torch.cat([images.flatten(1) for images, _ in loader(40, 20, shift=2, part=part).epoch(0)]).max(dim=1)
        for part in (slice(0, 10), slice(10, 20))
    ]
    marked = (marks[0].values > 0) & (marks[1].values > 0)  # image 0 is black
    assert (marks[0].indices != marks[1].indices)[marked].any()
