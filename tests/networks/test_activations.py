"""Noisy activations: their formulas scalar by scalar, the law of the noise, and the limits without it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nsface.errors import ModelError
from nsface.networks import build
from nsface.networks.activations import ACTIVATIONS, NoisyActivation, make_activation

NOISY = [name for name in ACTIVATIONS if name not in ("relu", "prelu", "tanh", "hard-tanh")]
OUTPUT = [name for name in NOISY if name.startswith(("nan-", "nah-"))]
INPUT = [name for name in NOISY if name not in OUTPUT]
DEFAULTS = {  # α, c
    "nan-tanh": (1.15, 0.5),
    "nah-tanh": (1.15, 0.5),
    "nan-sigmoid": (1.1, 0.15),
    "nah-sigmoid": (1.1, 0.15),
    "nani-tanh": (None, 0.05),
    "nani-sigmoid": (None, 0.05),
    "nanis-tanh": (None, 0.25),
    "nanis-sigmoid": (None, 0.25),
    "learned-nani-tanh": (None, 0.25),
    "learned-nani-sigmoid": (None, 0.25),
}


def parts(name: str, x: float) -> tuple[float, float]:
    """h and u."""
    if name.endswith("tanh"):
        return min(max(x, -1), 1), x
    return min(max(0.25 * x + 0.5, 0), 1), 0.25 * x + 0.5


def sign(x: float) -> float:
    return float((x > 0) - (x < 0))


def by_hand(name: str, x: float, xi: float, p: float, alpha: float, c: float) -> float:
    h, u = parts(name, x)
    if name in OUTPUT:
        epsilon = abs(xi) if name.startswith("nah") else xi
        sigma = c * (1 / (1 + math.exp(-p * (h - u))) - 0.5) ** 2
        return alpha * h + (1 - alpha) * u - sign(x) * sign(1 - alpha) * sigma * epsilon
    if name.startswith("nanis"):
        limit = 1.001 if name.endswith("tanh") else 2.0
        return parts(name, x + c * xi)[0] if abs(x) > limit else h
    if name.startswith("nani"):
        return parts(name, x + c * xi)[0]
    ratio = p * abs(h - u) / (abs(xi) + 1e-10)
    return parts(name, x + c * (ratio if ratio > 30 else math.log1p(math.exp(ratio))) * xi)[0]


def inputs(batch: int = 4, channels: int = 3) -> Tensor:
    """From deep saturation on one side to deep saturation on the other."""
    spread = torch.linspace(-6, 6, batch * channels * 10, dtype=torch.float64)
    mixed = torch.randperm(len(spread), generator=torch.Generator().manual_seed(0))
    return spread[mixed].view(batch, channels, 5, 2)


@pytest.mark.parametrize(
    ("name", "alpha"), [(n, a) for n in NOISY for a in ([None, 0.7, 1.0] if n in OUTPUT else [None])]
)
def test_training_and_evaluation_by_hand(name: str, alpha: float | None) -> None:
    default, c = DEFAULTS[name]
    module = make_activation({"name": name} if alpha is None else {"name": name, "alpha": alpha}, 3).double()
    slopes = [0.5, 1.0, -2.0] if name in OUTPUT else [0.5, 1.0, 2.0]
    if name in OUTPUT or name.startswith("learned"):
        module.get_parameter("p").data.copy_(torch.tensor(slopes))
    x = inputs()
    torch.manual_seed(5)
    found = module(x)
    torch.manual_seed(5)
    noise = torch.randn_like(x)
    used = alpha or default or 0.0
    expected = [
        by_hand(name, value, xi, slopes[channel], used, c)
        for sample, draws in zip(x, noise, strict=True)
        for channel in range(3)
        for value, xi in zip(
            sample[channel].flatten().tolist(), draws[channel].flatten().tolist(), strict=True
        )
    ]
    torch.testing.assert_close(found.flatten(), torch.tensor(expected).double(), rtol=1e-6, atol=1e-7)

    state = torch.get_rng_state()
    tested = module.eval()(x)
    assert torch.equal(torch.get_rng_state(), state), "nothing is drawn"
    mean = math.sqrt(2 / math.pi) if name.startswith("nah") else 0.0
    expected = [
        by_hand(name, value, mean, slopes[channel], used, c) if name in OUTPUT else parts(name, value)[0]
        for sample in x
        for channel in range(3)
        for value in sample[channel].flatten().tolist()
    ]
    torch.testing.assert_close(tested.flatten(), torch.tensor(expected).double(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NOISY)
def test_gradient(name: str) -> None:
    module = make_activation(name, 3).double()
    x = inputs(batch=2).add(0.013).requires_grad_()  # away from the corners, where there is no gradient

    def fixed(x: Tensor, *parameters: Tensor) -> Tensor:
        torch.manual_seed(2)
        result: Tensor = module(x)
        return result

    assert torch.autograd.gradcheck(fixed, (x, *module.parameters()))


@pytest.mark.parametrize("name", OUTPUT)
@pytest.mark.parametrize("x", [-3.0, 0.4, 5.0])
def test_law_of_the_noise_on_the_output(name: str, x: float) -> None:
    module = make_activation(name, 1).double()
    alpha, c = DEFAULTS[name]
    assert alpha is not None
    draws = 10**6
    torch.manual_seed(0)
    with torch.no_grad():
        change = module(torch.full((draws, 1), x, dtype=torch.float64)) - by_hand(name, x, 0, 1, alpha, c)
    h, u = parts(name, x)
    sigma = c * (1 / (1 + math.exp(u - h)) - 0.5) ** 2
    half = name.startswith("nah")
    mean = sign(x) * sigma * math.sqrt(2 / math.pi) if half else 0.0
    variance = sigma**2 * (1 - 2 / math.pi if half else 1)
    assert change.mean().item() == pytest.approx(mean, abs=5 * math.sqrt(variance / draws) + 1e-7)
    assert change.var().item() == pytest.approx(variance, rel=0.02, abs=1e-14)
    if half:
        assert (change * sign(x) >= -1e-9).all()


@pytest.mark.parametrize("name", NOISY)
def test_without_noise_it_is_the_hard_function_or_its_mixture_with_the_line(name: str) -> None:
    x = inputs()
    module = make_activation({"name": name, "c": 0.0}, 3).double()
    h, u = (
        torch.tensor([parts(name, value)[i] for value in x.flatten().tolist()]).double().view_as(x)
        for i in (0, 1)
    )
    alpha = DEFAULTS[name][0]
    expected = h if alpha is None else alpha * h + (1 - alpha) * u
    torch.testing.assert_close(module(x), expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(module.eval()(x), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", [*OUTPUT, "nanis-tanh", "nanis-sigmoid"])
def test_nothing_is_changed_where_it_does_not_saturate(name: str) -> None:
    inside = torch.linspace(-0.99, 0.99, 60).view(4, 3, 5)
    module = make_activation(name, 3)
    expected = inside if name.endswith("tanh") else 0.25 * inside + 0.5
    torch.testing.assert_close(module(inside), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["nanis-tanh", "learned-nani-sigmoid", "nah-tanh"])
def test_saturated_elements_get_a_gradient(name: str) -> None:
    x = torch.full((2000, 1), 2.2, requires_grad=True)
    torch.manual_seed(0)
    make_activation({"name": name, "c": 1.0}, 1)(x).sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).any()


def test_draws_are_the_global_generator_s() -> None:
    module, x = make_activation("nani-tanh", 3), inputs().float()
    torch.manual_seed(1)
    first = module(x)
    torch.manual_seed(1)
    assert torch.equal(module(x), first)
    assert not torch.equal(module(x), first)


def test_half_precision_comes_back_as_it_went_in() -> None:
    x = inputs().bfloat16()
    for name in NOISY:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = make_activation(name, 3)(x)
        assert found.dtype == torch.bfloat16
        assert found.isfinite().all()


def test_c_falls_as_one_over_the_root_of_the_step() -> None:
    module = make_activation({"name": "nani-tanh", "c": 0.5, "c_start": 30.0}, 3)
    assert isinstance(module, NoisyActivation)
    for step, expected in [(0, 30.0), (3, 15.0), (99, 3.0), (3599, 0.5), (10**6, 0.5)]:
        module.advance(step, total=10**7)
        assert module.c.item() == pytest.approx(expected)
    other = make_activation({"name": "nani-tanh", "c": 0.5, "c_start": 30.0}, 3)
    other.load_state_dict(module.state_dict())
    assert other.get_buffer("c").item() == 0.5
    constant = make_activation("nani-tanh", 3)
    assert isinstance(constant, NoisyActivation)
    constant.advance(0, total=1)
    assert constant.c.item() == pytest.approx(0.05)


@pytest.mark.parametrize(
    "network",
    [
        "all-cnn-c",
        "ir-18",
        "iresnet-18",
        "light-resnet",
        "nin",
        "resnet-18",
        "sphereface-10",
        "vgg-16",
        "vgg-face",
        "vgg-mnist",
    ],
)
def test_every_network_takes_every_activation(network: str) -> None:
    for choice in [*ACTIVATIONS, {"name": "nah-tanh", "c": 0.3}]:
        with torch.device("meta"):
            made = build(network, height=32, width=32, embedding_size=8, activation=choice)
            assert made(torch.empty(2, 3, 32, 32)).shape == (2, 8)
            kinds = {type(module) for module in made.modules()}
        name = choice if isinstance(choice, str) else "nah-tanh"
        assert type(make_activation(name, 4)) in kinds
        assert any(issubclass(kind, nn.PReLU) for kind in kinds) == (name == "prelu")
        assert (nn.ReLU in kinds) == (name == "relu")


@pytest.mark.parametrize(
    ("network", "default"),
    [
        ("all-cnn-c", "relu"),
        ("ir-18", "prelu"),
        ("iresnet-18", "prelu"),
        ("light-resnet", "relu"),
        ("nin", "relu"),
        ("resnet-32", "relu"),
        ("sphereface-10", "prelu"),
        ("vgg-16", "relu"),
        ("vgg-face", "relu"),
        ("vgg-mnist", "relu"),
    ],
)
def test_the_default_is_the_network_s_own(network: str, default: str) -> None:
    def weights(**arguments: Any) -> dict[str, Tensor]:
        torch.manual_seed(0)
        return build(network, height=16, width=16, embedding_size=8, **arguments).state_dict()

    own, named = weights(), weights(activation=default)
    assert list(own) == list(named)
    assert all(torch.equal(own[key], named[key]) for key in own)
    other = weights(activation="nanis-tanh")
    modules = build(network, height=16, width=16, embedding_size=8).named_modules()
    slopes = {f"{name}.weight" for name, module in modules if isinstance(module, nn.PReLU)}
    assert [key for key in other if not key.endswith(".c")] == [key for key in own if key not in slopes]
    drawn = [key for key in other if key in own and own[key].ndim > 1]
    assert all(torch.equal(own[key], other[key]) for key in drawn), "activations draw no weights"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("nah-tan", r"activation: no activation is called 'nah-tan' \(did you mean 'na"),
        ({"c": 0.1}, r"activation: name it, as in"),
        (
            {"name": "nah-tanh", "cc": 0.1},
            r"activation: cc: nah-tanh has no such argument \(did you mean",
        ),
        ({"name": "nah-tanh", "half_normal": False}, r"half_normal: nah-tanh has no such argument"),
        ({"name": "relu", "c": 0.1}, r"activation: c: relu has no such argument; there are none"),
        ({"name": "nah-tanh", "c": "x"}, r"activation: c: .*valid number .*\(got 'x'\)"),
        ({"name": "nah-tanh", "c": -0.1}, r"activation: c must be a number ≥ 0, not -0\.1"),
        ({"name": "nah-tanh", "alpha": 0.0}, r"activation: alpha must be a number > 0, not 0\.0"),
        ({"name": "nani-tanh", "c_start": 0.01}, r"activation: c_start must be a number ≥ c \(0\.05\), not"),
    ],
)
def test_wrong_choices(choice: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build("light-resnet", height=32, width=32, embedding_size=8, activation=choice)


def test_saturating_functions_without_noise() -> None:
    x = inputs()
    assert torch.equal(make_activation("tanh", 3)(x), torch.tanh(x))
    assert torch.equal(make_activation("hard-tanh", 3)(x), x.clamp(-1, 1))
