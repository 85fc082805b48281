"""The mean image that a network subtracts: what it is, and that it goes with the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nsface.arguments import ArgumentError
from nsface.errors import RecipeError
from nsface.images.batches.augmentation import Augmentation
from nsface.images.batches.loader import Loader
from nsface.images.batches.sampling import Shuffled
from nsface.networks import build
from nsface.ranks import ALONE
from nsface.recipe.schema import Recipe
from nsface.training.run import make_trainer

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 16, 18, 3), dtype=np.uint8)


def recipe(**network: object) -> Recipe:
    return Recipe.model_validate(
        {
            "network": {
                "name": "vgg-cifar",
                "embedding_size": 4,
                "channels": 2,
                "mean_image": True,
                **network,
            },
            "head": {"name": "softmax"},
            "input": {"height": 16, "width": 18, "mean": 100, "std": 50},
            "epochs": 1,
            "batch_size": 4,
            "device": "cpu",
        }
    )


def test_the_training_sets_it_to_the_mean_of_the_images_in_use() -> None:
    rows = np.array([3, 5, 5, 8, 29, 0])
    labels = np.array([0, 1, 0, 1, 0, 1])
    loader = Loader(PIXELS, labels, Shuffled(6, 4, 0), Augmentation(), 0, CPU, rows)
    network = make_trainer(recipe(), 2, loader, CPU, ALONE).network
    expected = (PIXELS[rows].astype(np.float64).mean(axis=0).transpose(2, 0, 1) - 100) / 50
    np.testing.assert_allclose(network.state_dict()["mean.image"].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["vgg-cifar", "vgg-mnist", "nin", "maxout", "resnet-32", "light-resnet"])
def test_every_network_subtracts_it(name: str) -> None:
    torch.manual_seed(0)
    network = build(name, height=16, width=18, embedding_size=4, channels=8, mean_image=True).eval()
    plain = build(name, height=16, width=18, embedding_size=4, channels=8).eval()
    state = network.state_dict()
    mean = torch.randn(3, 16, 18)
    network.load_state_dict(state | {"mean.image": mean})
    plain.load_state_dict({name: tensor for name, tensor in state.items() if name != "mean.image"})
    images = torch.randn(2, 3, 16, 18)
    assert torch.equal(network(images), plain(images - mean))
    assert not torch.allclose(network(images), plain(images))


def test_it_is_compiled_in_one_graph_with_the_network() -> None:
    network = build("nin", height=16, width=18, embedding_size=4, channels=6, mean_image=True).eval()
    network.get_submodule("mean").image.normal_()  # type: ignore[operator]
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    images = torch.randn(2, 3, 16, 18)
    assert torch.equal(compiled(images), network(images))


def test_it_is_a_switch() -> None:
    with pytest.raises(ArgumentError, match=r"^mean_image: .*valid boolean \(got 'yes'\)"):
        build("nin", height=16, width=16, mean_image="yes")


def test_images_that_are_streamed_have_none() -> None:
    class Streaming(Loader):
        def mean_image(self) -> None:  # type: ignore[override]
            return None  # as every loader that keeps no images

    loader = Streaming(PIXELS, np.arange(30) % 2, Shuffled(30, 4, 0), Augmentation(), 0, CPU)
    with pytest.raises(
        RecipeError, match=r"network.mean_image: needs all images in memory; leave streaming out"
    ):
        make_trainer(recipe(), 2, loader, CPU, ALONE)
