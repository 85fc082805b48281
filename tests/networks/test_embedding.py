"""The embedding is computed in float32 under autocast, in every network, in training and in use."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nsface.networks import NETWORKS, build, embedding
from nsface.networks.embedding import EmbeddingLayer, GlobalAverage
from nsface.networks.folding import fold_batch_norms

PIECES = {"lightened-cnn": 2, "maxout": 5}  # of whose outputs the largest is the embedding
FAMILIES = ["iresnet-18", "ir-18", "light-resnet", "lightened-cnn", "sphereface-4", "vgg-face"]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_one_such_layer_and_no_other_linear_one(name: str) -> None:
    with torch.device("meta"):
        network = build(name, height=16, width=16, embedding_size=4)
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert [type(module) for module in linear] == [EmbeddingLayer]
    assert linear[0].out_features == 4 * PIECES.get(name, 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_convolutions_are_in_bfloat16_and_the_embedding_is_in_float32(name: str) -> None:
    torch.manual_seed(0)
    network = build(name, height=16, width=16, embedding_size=4).train()
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def note(key: str) -> Any:
        return lambda layer, inputs, output: seen.update({key: (inputs[0], output)})

    modules = {type(module).__name__: module for module in network.modules()}  # the last of each class
    for key in ("Conv2d", "EmbeddingLayer", "BatchNorm1d"):
        if key in modules:
            modules[key].register_forward_hook(note(key))
    with torch.autocast("cpu", torch.bfloat16):
        embeddings = network(torch.rand(4, 3, 16, 16))
    assert seen["Conv2d"][1].dtype == torch.bfloat16
    inputs, output = seen["EmbeddingLayer"]
    layer = modules["EmbeddingLayer"]
    assert isinstance(layer, EmbeddingLayer)
    assert inputs.dtype == torch.bfloat16
    torch.testing.assert_close(output, F.linear(inputs.float(), layer.weight, layer.bias))
    assert output.dtype == embeddings.dtype == torch.float32
    if "BatchNorm1d" in seen:
        assert seen["BatchNorm1d"][0].dtype == torch.float32
    embeddings.square().sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("embedding_size", [6, 7])
def test_the_mean_over_the_map_is_in_float32(embedding_size: int) -> None:
    torch.manual_seed(0)
    layer = GlobalAverage(6, embedding_size)
    maps = torch.randn(3, 6, 5, 4).to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(maps)
    means = torch.from_numpy(maps.double().numpy().mean(axis=(2, 3)))
    if embedding_size == 6:
        assert sum(p.numel() for p in layer.parameters()) == 0
        expected = means
    else:
        assert isinstance(layer.fc, EmbeddingLayer)
        expected = F.linear(means, layer.fc.weight.double(), layer.fc.bias.double())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("all-cnn-c", 192),
        ("nin", 192),
        ("resnet-18", 512),
        ("resnet-32", 64),
        ("resnet-110", 64),
        ("vgg-16", 512),
    ],
)
def test_a_network_of_the_published_size_ends_with_the_mean(name: str, features: int) -> None:
    with torch.device("meta"):
        network = build(name, height=32, width=32, embedding_size=features)
        assert not any(isinstance(module, nn.Linear) for module in network.modules())
        assert network(torch.empty(2, 3, 32, 32)).shape == (2, features)


def test_a_network_that_is_folded_and_used_computes_as_it_was_trained() -> None:
    torch.manual_seed(0)
    network = build("light-resnet", height=16, width=16, embedding_size=4, activation="prelu").eval()
    images = torch.rand(4, 3, 16, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        trained = network(images)
        assert fold_batch_norms(network) > 1  # the one after the embedding layer is among them
        used = network(images)
    assert used.dtype == torch.float32
    torch.testing.assert_close(used, trained, rtol=0.05, atol=0.02)


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "IN_FLOAT32", False)
    with torch.autocast("cpu", torch.bfloat16):
        assert EmbeddingLayer(3, 2)(torch.rand(1, 3)).dtype == torch.bfloat16
