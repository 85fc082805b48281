"""Batches balanced over identities: P identities × K images, from the seed and the place in the run alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nsface.errors import RecipeError
from nsface.images.batches.sampling import IdentityBalanced

counts_of_images = st.lists(st.integers(1, 9), min_size=2, max_size=8)


def labels_of(counts: list[int]) -> np.ndarray:
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(0).permutation(labels)


@given(counts_of_images, st.data())
def test_every_batch_holds_p_identities_of_k_images(counts: list[int], data: st.DataObject) -> None:
    identities = data.draw(st.integers(1, len(counts)))
    images = data.draw(st.integers(1, 5))
    labels = labels_of(counts)
    sampler = IdentityBalanced(labels, identities, images, seed=data.draw(st.integers(0, 9)))
    batches = list(sampler.epoch(data.draw(st.integers(0, 3))))
    assert len(batches) == sampler.batches_per_epoch == max(1, len(labels) // (identities * images))
    for batch in batches:
        assert batch.shape == (sampler.batch_size,) == (identities * images,)
        drawn = batch.numpy().reshape(identities, images)
        owners = labels[drawn]
        assert (owners == owners[:, :1]).all()
        assert len(set(owners[:, 0])) == identities
        for owner, members in zip(owners[:, 0], drawn, strict=True):
            if counts[owner] >= images:
                assert len(set(members)) == images, "without replacement"


def test_identities_take_turns_and_images_are_drawn_evenly() -> None:
    labels = labels_of([3, 40, 40, 40, 40, 40])
    sampler = IdentityBalanced(labels, 3, 4, seed=1)
    identities: Counter[int] = Counter()
    images: Counter[int] = Counter()
    for epoch in range(400):
        batches = [batch.numpy() for batch in sampler.epoch(epoch)]
        images.update(np.concatenate(batches).tolist())
        for first, second in zip(batches[::2], batches[1::2], strict=True):
            assert set(labels[first]) | set(labels[second]) == set(range(6)), "dealt before shuffled anew"
        identities.update(labels[np.concatenate(batches)].tolist())
    assert len(set(identities.values())) == 1
    draws = np.array([images[i] for i in np.flatnonzero(labels == 2).tolist()])
    # each of 40 images is drawn 4/40 of the time: 3200 batches, binomial within five deviations
    expected = draws.sum() / 40
    assert np.abs(draws - expected).max() < 5 * np.sqrt(expected)


def test_an_epoch_depends_on_seed_and_number_alone_and_can_be_entered_anywhere() -> None:
    labels = labels_of([5, 9, 2, 7, 8])

    def epoch(number: int, seed: int = 0, first: int = 0) -> list[list[int]]:
        return [batch.tolist() for batch in IdentityBalanced(labels, 2, 3, seed).epoch(number, first)]

    whole = epoch(2)
    torch.randn(3)  # what was drawn elsewhere must not matter
    assert epoch(2) == whole
    assert epoch(2, first=3) == whole[3:]
    assert epoch(3) != whole
    assert epoch(2, seed=1) != whole


def test_more_identities_than_there_are() -> None:
    with pytest.raises(RecipeError, match=r"sampler\.identities is 4, but there are 3 identities in use"):
        IdentityBalanced(labels_of([2, 2, 2]), 4, 2, seed=0)
