"""The generated training set: repeatable, and to be learned."""

from __future__ import annotations

import numpy as np
import torch

from nsface.benchmark.generated import NOISE, generated_labels, generated_pixels

CPU = torch.device("cpu")


def test_images_of_an_identity_are_its_pattern_with_noise() -> None:
    labels = generated_labels(1500, 7, seed=3)  # more than one block
    assert labels.dtype == np.int64
    assert set(labels) == set(range(7))
    pixels = generated_pixels(labels, 12, 10, CPU, seed=3).float()
    assert pixels.shape == (1500, 12, 10, 3)
    means = torch.stack([pixels[torch.from_numpy(labels == identity)].mean(dim=0) for identity in range(7)])
    # the nearest mean is that of an image's own identity, for every image
    distances = torch.cdist(pixels.flatten(1), means.flatten(1))
    assert distances.argmin(dim=1).tolist() == labels.tolist()
    spread = (pixels - means[torch.from_numpy(labels)]).std()
    assert 0.7 * NOISE < spread < NOISE  # pixels beyond 0 and 255 are cut off


def test_a_seed_gives_the_same_set() -> None:
    def made(seed: int) -> torch.Tensor:
        return generated_pixels(generated_labels(9, 4, seed), 5, 6, CPU, seed)

    assert torch.equal(made(1), made(1))
    assert not torch.equal(made(1), made(2))
    assert made(1).dtype == torch.uint8
