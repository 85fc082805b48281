"""The registry, and what every network in it promises."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nsface.arguments import ArgumentError, own_arguments
from nsface.errors import ModelError
from nsface.networks import NETWORKS, build

# Networks for images of 28×28 or 32×32, one of each family; larger images cost them much.
FOR_SMALL_IMAGES = [
    "all-cnn-c",
    "maxout",
    "nin",
    "resnet-18",
    "resnet-32",
    "vgg-16",
    "vgg-cifar",
    "vgg-mnist",
]
# One of each family, SphereFace also without residual units: enough for what does not depend on depth.
REPRESENTATIVES = [
    *FOR_SMALL_IMAGES,
    "ir-18",
    "iresnet-18",
    "light-resnet",
    "lightened-cnn",
    "sphereface-4",
    "sphereface-20",
    "vgg-face",
]
WITH_CHANNELS = [*FOR_SMALL_IMAGES, "light-resnet", "lightened-cnn", "resnet-110"]
WITH_STATISTICS = [
    "ir-18",
    "iresnet-18",
    "light-resnet",
    "resnet-18",
    "resnet-32",
    "vgg-16",
    "vgg-cifar",
    "vgg-face",
    "vgg-mnist",
]
WITH_DROPOUT = ["all-cnn-c", "ir-18", "iresnet-18", "light-resnet", "lightened-cnn", "maxout", "nin"]
SIZES = [(112, 112), (112, 96)]
ODD_SIZES = [(16, 16), (17, 31), (97, 113), (224, 192)]


def images(batch: int, height: int, width: int) -> Tensor:
    """Batch of pixels in the range that training gives, [-1, 1]."""
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


def seeded(name: str, seed: int = 0, height: int = 32, width: int = 48) -> nn.Module:
    torch.manual_seed(seed)
    return build(name, height=height, width=width)


@pytest.mark.parametrize(
    ("name", "height", "width"),
    [(name, *size) for name in NETWORKS for size in SIZES]
    + [(name, *size) for name in REPRESENTATIVES for size in ODD_SIZES],
)
def test_gives_one_embedding_an_image(name: str, height: int, width: int) -> None:
    with torch.device("meta"):  # shapes alone: the linear layer refuses a map of another size
        network = build(name, height=height, width=width, embedding_size=128)
        assert network(torch.empty(3, 3, height, width)).shape == (3, 128)


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_gives_finite_embeddings_of_512_that_differ(name: str) -> None:
    height, width = (32, 32) if name in FOR_SMALL_IMAGES else (112, 96)
    network = seeded(name, height=height, width=width).eval()
    with torch.no_grad():
        embeddings = network(images(2, height, width))
    assert embeddings.shape == (2, 512)
    assert embeddings.dtype == torch.float32
    assert embeddings.isfinite().all()
    assert not torch.allclose(embeddings[0], embeddings[1])


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_every_trainable_parameter_gets_a_gradient(name: str) -> None:
    network = seeded(name)
    network(images(4, 32, 48)).square().sum().backward()
    without = [key for key, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_bfloat16_and_channels_last_agree_with_float32(name: str) -> None:
    network = seeded(name).train()
    batch = images(8, 32, 48)
    with torch.no_grad():
        network(batch)  # gives the batch normalisations some statistics
        network.eval()
        expected = network(batch)
        network = network.to(memory_format=torch.channels_last)
        batch = batch.to(memory_format=torch.channels_last)
        last = network(batch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = network(batch)
    torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    cosines = torch.cosine_similarity(half.float(), expected)
    assert cosines.min() > 0.999
    # Not bit for bit: autocast has to have changed the arithmetic for the line above to say anything.
    assert not torch.equal(half.float(), expected)


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_in_evaluation_an_embedding_depends_on_its_image_alone(name: str) -> None:
    network = seeded(name).eval()
    batch = images(4, 32, 48)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        together = network(batch)
        assert torch.equal(network(batch), together)
        alone = network(batch[2:3])
    torch.testing.assert_close(alone, together[2:3], rtol=1e-4, atol=1e-4 * together.abs().max().item())
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", WITH_STATISTICS)
def test_in_training_batch_statistics_move(name: str) -> None:
    network = seeded(name).train()
    before = {key: value.clone() for key, value in network.state_dict().items() if "running" in key}
    with torch.no_grad():
        network(images(4, 32, 48))
    assert before
    assert not any(torch.equal(network.state_dict()[key], value) for key, value in before.items())


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_a_seed_reproduces_the_weights(name: str) -> None:
    first, again, other = (seeded(name, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    drawn = [key for key in first if key.endswith("weight") and first[key].ndim > 1]
    assert drawn
    assert not any(torch.equal(first[key], other[key]) for key in drawn)


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_too_small_images_are_refused(name: str) -> None:
    for height, width in [(15, 112), (112, 15), (0, 96)]:
        with pytest.raises(ModelError, match=f"{height}×{width}.*at least 16×16"):
            build(name, height=height, width=width)


def test_an_embedding_needs_a_dimension() -> None:
    with pytest.raises(ModelError, match="embedding_size is 0"):
        build("sphereface-4", height=112, width=96, embedding_size=0)


@pytest.mark.parametrize("name", WITH_CHANNELS)
def test_a_width_is_1_to_4096_channels(name: str) -> None:
    for channels in (0, -8, 4097, 10**20):
        with pytest.raises(ModelError, match=f"channels is {channels}; give 1 to 4096"):
            build(name, height=32, width=32, channels=channels)
    with torch.device("meta"):
        for channels in (1, 4096):
            network = build(name, height=16, width=16, channels=channels, embedding_size=1)
            assert network(torch.empty(2, 3, 16, 16)).shape == (2, 1)


@pytest.mark.parametrize("name", WITH_DROPOUT)
def test_a_share_of_dropout_is_below_1(name: str) -> None:
    arguments = [p for p in ("dropout", "input_dropout") if p in own_arguments(NETWORKS[name])]
    assert arguments
    for argument in arguments:
        for share in (-0.1, 1.0, float("nan")):
            given: dict[str, Any] = {argument: share}
            with pytest.raises(ModelError, match=f"^{argument} is {share:g}; give a share from 0"):
                build(name, height=32, width=32, **given)


@pytest.mark.parametrize("name", WITH_DROPOUT)
def test_dropout_acts_in_training_alone(name: str) -> None:
    for argument in ("dropout", "input_dropout"):
        if argument not in own_arguments(NETWORKS[name]):
            continue
        shares = {"dropout": 0.0, "input_dropout": 0.0} | {argument: 0.5}
        given: dict[str, Any] = {
            key: share for key, share in shares.items() if key in own_arguments(NETWORKS[name])
        }
        torch.manual_seed(0)
        network = build(name, height=16, width=16, embedding_size=8, **given).train()
        batch = images(4, 16, 16)
        with torch.no_grad():
            assert not torch.equal(network(batch), network(batch))
            network.eval()
            assert torch.equal(network(batch), network(batch))
            without: dict[str, Any] = dict.fromkeys(given, 0.0)
            none = build(name, height=16, width=16, embedding_size=8, **without).train()
            assert torch.equal(none(batch), none(batch))


def test_the_lists_above_are_complete() -> None:
    for name, factory in NETWORKS.items():
        own = own_arguments(factory)
        assert ("channels" in own) == (name in WITH_CHANNELS), name
        family = name.rstrip("0123456789") if name[-1].isdigit() and name != "resnet-18" else name
        assert ("dropout" in own) == any(other.startswith(family) for other in WITH_DROPOUT), name


@pytest.mark.parametrize("units", [-1, 257, 10**20])
def test_light_resnet_takes_up_to_256_extra_units(units: int) -> None:
    with pytest.raises(ModelError, match=f"extra_units is {units}; give 0 to 256"):
        build("light-resnet", height=32, width=32, extra_units=units)


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_light_resnet_with_few_channels(channels: int) -> None:
    network = build("light-resnet", height=32, width=32, channels=channels, embedding_size=1)
    assert network(images(2, 32, 32)).shape == (2, 1)


def test_an_unknown_name_gets_the_nearest_and_the_list() -> None:
    with pytest.raises(ModelError, match=r"'spherface-20'.*did you mean 'sphereface-20'") as caught:
        build("spherface-20", height=112, width=96)
    assert all(name in str(caught.value) for name in NETWORKS)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="'xyz'; there are") as caught:
        build("xyz", height=112, width=96)
    assert "did you mean" not in str(caught.value)


def test_an_unknown_argument_is_refused_by_name() -> None:
    with pytest.raises(
        ArgumentError, match=r"^droput: iresnet-18 has no such argument \(did you mean 'dropout'\?\)"
    ):
        build("iresnet-18", height=112, width=112, droput=0.4, layers=3)
    with pytest.raises(
        ArgumentError, match=r"^dropout: vgg-face has no such argument; there are: activation"
    ):
        build("vgg-face", height=112, width=96, dropout=0.4)


def test_an_argument_of_another_type_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^dropout: .*valid number .*\(got 'much'\)"):
        build("iresnet-18", height=112, width=112, dropout="much")


def test_the_depth_is_the_name_s_and_no_argument() -> None:
    with pytest.raises(ArgumentError, match=r"^depth: sphereface-20 has no such argument"):
        build("sphereface-20", height=112, width=96, depth=64)
