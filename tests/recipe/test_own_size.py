"""The length of embeddings where a recipe does not state it with the name of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsface.arguments import own_arguments
from nsface.networks import NETWORKS, build
from nsface.networks.embedding import GlobalAverage
from nsface.recipe.own_size import OWN_SIZES, own_size
from nsface.recipe.schema import load_recipe
from nsface.reproduce.jobs import jobs_of
from nsface.weightless import weightless


@pytest.mark.parametrize("name", NETWORKS)
def test_the_mean_over_the_last_map_is_the_embedding(name: str) -> None:
    for given in ({}, {"channels": 24}) if "channels" in own_arguments(NETWORKS[name]) else ({},):
        with weightless():
            network = build(name, height=32, width=32, embedding_size=1, **given)
        widths = [module.features for module in network.modules() if isinstance(module, GlobalAverage)]
        if widths or name not in OWN_SIZES:
            assert own_size(name, **given) == (widths[0] if widths else None)


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"network.name": "nin"}, 192),
        ({"network.name": "nin", "network.channels": 96}, 96),
        ({"network.name": "nin", "network.embedding_size": 512}, 512),
        ({"network.name": "maxout", "network.channels": 8}, 500),
        ({"network.name": "light-resnet"}, 512),  # of the recipe, as for every network without its own
        ({"network": {"name": "resnet-32"}}, 64),
        ({"network": {"name": "sphereface-4"}}, 512),
    ],
)
def test_another_network_on_the_command_line(given: dict[str, Any], size: int) -> None:
    recipe = load_recipe("cifar10", given)
    assert recipe.network.embedding_size == size
    assert recipe.to_yaml().count(f"embedding_size: {size}\n") == 1


@pytest.mark.parametrize(
    ("network", "size"),
    [("{name: nin}", 192), ("{name: nin, embedding_size: 64}", 64), ("{name: sphereface-4}", 128)],
)
def test_another_network_in_a_file_with_a_base(tmp_path: Path, network: str, size: int) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"base: lfw-small\nnetwork: {network}\n")
    assert load_recipe(file).network.embedding_size == size


def test_the_mean_image_stays_with_another_network() -> None:
    assert load_recipe("cifar10", {"network.name": "nin"}).network.arguments == {"mean_image": True}


def test_a_table_with_another_network(tmp_path: Path) -> None:
    narrow = {"network.channels": 8, "network.embedding_size": 64}
    for name, size in (("resnet-32", 32), ("light-resnet", 64)):
        (job,) = jobs_of("cifar10", narrow, ["softmax"], [0], tmp_path, {"network.name": name})
        assert (job.recipe.network.embedding_size, job.recipe.network.arguments["channels"]) == (size, 8)
