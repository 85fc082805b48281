"""iResNet against published counts, InsightFace's parameter names and a second writing of its forward."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nsface.errors import ModelError
from nsface.networks import build, count
from nsface.networks.iresnet import Block, IResNet

LAYERS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}
# Figures cited for InsightFace's networks at 112×112 with 512 dimensions: 10⁶ parameters, 10⁹ multiply-adds.
PUBLISHED = {18: (24.03, 2.62), 34: (34.14, 4.48), 50: (43.59, 6.33), 100: (65.16, 12.12)}


def on_meta(depth: int, height: int = 112, width: int = 112) -> nn.Module:
    with torch.device("meta"):
        return build(f"iresnet-{depth}", height=height, width=width)


@pytest.mark.parametrize("depth", LAYERS)
def test_parameters_equal_the_published_number(depth: int) -> None:
    assert round(count(on_meta(depth), 112, 112).parameters / 1e6, 2) == PUBLISHED[depth][0]


@pytest.mark.parametrize("depth", LAYERS)
def test_multiply_adds_agree_with_the_published_number(depth: int) -> None:
    """To 0.5 %, and below it: the published ones include batch normalisations and activations."""
    ours, published = count(on_meta(depth), 112, 112).multiply_adds / 1e9, PUBLISHED[depth][1]
    assert 0.995 * published < ours < published


@pytest.mark.parametrize(("height", "width"), [(112, 112), (112, 96)])
@pytest.mark.parametrize("depth", LAYERS)
def test_counts_equal_the_sum_over_the_layers(depth: int, height: int, width: int) -> None:
    parameters = multiply_adds = 0

    def convolution(side: int, inputs: int, outputs: int, cells: int) -> None:
        nonlocal parameters, multiply_adds
        parameters += side * side * inputs * outputs
        multiply_adds += side * side * inputs * outputs * cells

    convolution(3, 3, 64, height * width)
    parameters += 3 * 64  # BN's scale and shift, PReLU's slope
    inputs = 64
    for channels, blocks, scale in zip((64, 128, 256, 512), LAYERS[depth], (2, 4, 8, 16), strict=True):
        after, before = height * width // scale**2, 4 * height * width // scale**2
        for block in range(blocks):
            convolution(3, inputs, channels, before if block == 0 else after)
            convolution(3, channels, channels, after)
            parameters += 2 * inputs + 3 * channels + 2 * channels
            if block == 0:
                convolution(1, inputs, channels, after)
                parameters += 2 * channels
            inputs = channels
    flat = 512 * height * width // 256
    parameters += 2 * 512 + flat * 512 + 512 + 2 * 512
    multiply_adds += flat * 512
    assert count(on_meta(depth, height, width), height, width) == (parameters, multiply_adds)


def test_parameter_names_are_insightface_s() -> None:
    def norm(name: str) -> set[str]:
        ends = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        return {f"{name}.{end}" for end in ends}

    expected = {"conv1.weight", "prelu.weight", "fc.weight", "fc.bias"}
    expected |= norm("bn1") | norm("bn2") | norm("features")
    for layer in (1, 2, 3, 4):
        expected |= {f"layer{layer}.0.downsample.0.weight"} | norm(f"layer{layer}.0.downsample.1")
        for block in range(2):
            at = f"layer{layer}.{block}"
            expected |= {f"{at}.conv1.weight", f"{at}.conv2.weight", f"{at}.prelu.weight"}
            expected |= norm(f"{at}.bn1") | norm(f"{at}.bn2") | norm(f"{at}.bn3")
    assert set(on_meta(18).state_dict()) == expected


def test_forward_equals_a_second_writing_of_it() -> None:
    torch.manual_seed(0)
    # In float64: nothing is normalised yet, so the values grow to where float32 rounds visibly.
    network = IResNet(height=32, width=48, depth=18).double().eval()
    w = network.state_dict()
    for name, value in w.items():  # so that every normalisation and slope shows in the output
        if "running_var" in name or (value.ndim == 1 and name.endswith("weight")):
            value.uniform_(0.5, 1.5)
        elif value.ndim == 1:
            value.normal_(std=0.3)
    images = torch.randn(2, 3, 32, 48, dtype=torch.float64)

    def norm(x: Tensor, at: str) -> Tensor:
        shape = (1, -1) + (1,) * (x.ndim - 2)
        mean, var, scale, shift = (
            w[f"{at}.{end}"].view(shape) for end in ("running_mean", "running_var", "weight", "bias")
        )
        normed: Tensor = (x - mean) / (var + 1e-5).sqrt() * scale + shift
        return normed

    def prelu(x: Tensor, at: str) -> Tensor:
        return torch.where(x > 0, x, w[f"{at}.weight"].view(-1, 1, 1) * x)

    x = prelu(norm(F.conv2d(images, w["conv1.weight"], padding=1), "bn1"), "prelu")
    for layer in (1, 2, 3, 4):
        for block in range(2):
            at, stride = f"layer{layer}.{block}", 2 if block == 0 else 1
            y = F.conv2d(norm(x, f"{at}.bn1"), w[f"{at}.conv1.weight"], padding=1)
            y = prelu(norm(y, f"{at}.bn2"), f"{at}.prelu")
            y = norm(F.conv2d(y, w[f"{at}.conv2.weight"], stride=stride, padding=1), f"{at}.bn3")
            if block == 0:
                x = norm(F.conv2d(x, w[f"{at}.downsample.0.weight"], stride=2), f"{at}.downsample.1")
            x = x + y
    x = norm(x, "bn2").reshape(2, -1) @ w["fc.weight"].T + w["fc.bias"]
    torch.testing.assert_close(network(images), norm(x, "features"))


def test_a_block_with_a_zeroed_last_scale_is_its_shortcut() -> None:
    maps = torch.randn(2, 8, 5, 4)
    same, halving = Block(8, 8, stride=1), Block(8, 16, stride=2)
    assert not torch.equal(same(maps), maps)
    for block in (same, halving):
        nn.init.zeros_(block.bn3.weight)
    assert torch.equal(same(maps), maps)
    assert torch.equal(halving(maps), halving.downsample(maps))


def test_embeddings_in_training_are_standardised() -> None:
    """The last normalisation's scale is 1 and not trained, so each dimension has variance 1 in a batch."""
    torch.manual_seed(0)
    network = IResNet(height=16, width=16, depth=18, embedding_size=32).train()
    embeddings = network(torch.randn(16, 3, 16, 16))
    torch.testing.assert_close(embeddings.mean(0), torch.zeros(32), rtol=0, atol=1e-4)
    torch.testing.assert_close(embeddings.var(0, correction=0), torch.ones(32), rtol=0, atol=1e-2)
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert frozen == ["features.weight"]
    assert (network.features.weight == 1).all()


def test_convolutions_start_as_gaussians_of_a_tenth() -> None:
    torch.manual_seed(0)
    network = IResNet(height=16, width=16, depth=18)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.detach()
            assert weight.std() == pytest.approx(0.1, rel=0.05), name
            assert weight.abs().max() > 0.25, name  # a uniform of that spread ends at 0.173


def test_unknown_depth() -> None:
    with pytest.raises(ModelError, match="depth 101; give one of 18, 34, 50, 100"):
        IResNet(height=112, width=112, depth=101)
