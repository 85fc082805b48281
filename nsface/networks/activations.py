"""Activations by name, among them the noisy ones: the values of a network's `activation`.

Noisy activation functions (Gulcehre et al., ICML 2016, https://arxiv.org/abs/1603.00391) are saturating
functions with noise added where they saturate, so that gradients pass through. h is the hard function, u its
linear part, Δ = h − u (0 where h does not saturate), and ξ ~ N(0, 1) is drawn for each element:

    hard-tanh     h(x) = clip(x, −1, 1),            u(x) = x
    hard-sigmoid  h(x) = clip(0.25 x + 0.5, 0, 1),  u(x) = 0.25 x + 0.5

Random numbers come from torch's global generator. In eval mode none are drawn.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nsface.arguments import check_arguments, unknown_name
from nsface.errors import ModelError
from nsface.networks.prelu import PReLU

ActivationChoice = str | dict[str, Any]


@dataclass(frozen=True)
class Hard:
    """A hard saturating function h(x) = clip(u(x), low, high) of u(x) = slope · x + offset.

    Attributes:
        slope, offset: of the linear part u.
        low, high: the range of h.
        saturation: NANIS counts x as saturated where |x| is above this.
        alpha, c: the defaults of NAN and NAH.
    """

    slope: float
    offset: float
    low: float
    high: float
    saturation: float
    alpha: float
    c: float

    def linear(self, x: Tensor) -> Tensor:
        """u(x)."""
        return x if self.slope == 1 else self.slope * x + self.offset

    def __call__(self, x: Tensor) -> Tensor:
        """h(x)."""
        return self.linear(x).clamp(self.low, self.high)


TANH = Hard(slope=1.0, offset=0.0, low=-1.0, high=1.0, saturation=1.001, alpha=1.15, c=0.5)
SIGMOID = Hard(slope=0.25, offset=0.5, low=0.0, high=1.0, saturation=2.0, alpha=1.1, c=0.15)


class NoisyActivation(nn.Module):
    """The base of the noisy activations. The output has the shape and type of the input.

    It is computed in float32 (float64 for float64 inputs). A subclass implements `activate`.

    Args:
        hard: h.
        c: the scale of the noise, ≥ 0.
        c_start: ≥ c; the scale is c_start / √(t + 1) in step t until it reaches `c`, after (c_start / c)²
            steps. None: it is `c` throughout.

    Attributes:
        c: the present scale, kept with the weights.

    Raises:
        ValueError: an argument out of its range.
    """

    c: Tensor

    def __init__(self, hard: Hard, *, c: float, c_start: float | None) -> None:
        super().__init__()
        if not (math.isfinite(c) and c >= 0):
            raise ValueError(f"c must be a number ≥ 0, not {c}")
        if c_start is not None and not (math.isfinite(c_start) and c_start >= c):
            raise ValueError(f"c_start must be a number ≥ c ({c}), not {c_start}")
        self.hard = hard
        self._scales = (c, c_start)
        self.register_buffer("c", torch.tensor(c if c_start is None else c_start))

    def advance(self, step: int, total: int) -> None:
        """Set c to its value in `step`, counted from 0; `total`, the length of the run, does not matter."""
        final, start = self._scales
        if start is not None:
            self.c.fill_(max(final, start / math.sqrt(step + 1)))

    def forward(self, x: Tensor) -> Tensor:
        wide = x if x.dtype == torch.float64 else x.float()
        return self.activate(wide, torch.randn_like(wide) if self.training else None).to(x.dtype)

    @abstractmethod
    def activate(self, x: Tensor, noise: Tensor | None) -> Tensor:
        """φ(x) with ξ = `noise`, of the shape of `x`; None: φ(x) of eval mode, without random numbers."""


class OutputNoise(NoisyActivation):
    """NAN and NAH: noise on the output, which grows with the saturation.

        φ(x) = α h + (1 − α) u + d σ ε,    d = −sgn(x) sgn(1 − α),    σ = c (sigmoid(p Δ) − ½)²

    ε is ξ (NAN, normal) or |ξ| (NAH, half-normal), and in eval mode its mean: 0, or √(2/π). With α > 1 the
    half-normal noise of a saturated element points away from 0; with α = 1 there is none. p is learned, one
    number for each channel.

    Args:
        channels: size of dimension 1 of x.
        alpha: above 0; None: 1.15 for tanh, 1.1 for sigmoid.
        c: see `NoisyActivation`; None: 0.5 for tanh, 0.15 for sigmoid.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        channels: int,
        *,
        hard: Hard,
        half_normal: bool,
        alpha: float | None = None,
        c: float | None = None,
        c_start: float | None = None,
    ) -> None:
        super().__init__(hard, c=hard.c if c is None else c, c_start=c_start)
        self.alpha = hard.alpha if alpha is None else alpha
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise ValueError(f"alpha must be a number > 0, not {alpha}")
        self.half_normal = half_normal
        self.p = nn.Parameter(torch.ones(channels))

    def activate(self, x: Tensor, noise: Tensor | None) -> Tensor:
        linear = self.hard.linear(x)
        excess = linear.clamp(self.hard.low, self.hard.high) - linear
        mean = linear + self.alpha * excess  # α h + (1 − α) u, which is exactly u where nothing saturates
        if noise is None and not self.half_normal:
            return mean
        size = math.sqrt(2 / math.pi) if noise is None else noise.abs() if self.half_normal else noise
        towards = -math.copysign(1, 1 - self.alpha) if self.alpha != 1 else 0.0
        push = self.c * towards * x.sign() * size  # d c ε, without a gradient
        return mean + push * (torch.sigmoid(_by_channel(self.p, x) * excess) - 0.5).square()


class InputNoise(NoisyActivation):
    """NANI and NANIS: noise on the input, φ(x) = h(x + c ξ), in eval mode h(x).

    Args:
        channels: size of dimension 1 of x, which has no effect here.
        saturated_only: NANIS: x stays as it is unless it is saturated, |x| > 1.001 for tanh, > 2 for sigmoid.
        c: see `NoisyActivation`; None: 0.05, and 0.25 for NANIS.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        channels: int,
        *,
        hard: Hard,
        saturated_only: bool,
        c: float | None = None,
        c_start: float | None = None,
    ) -> None:
        default = 0.25 if saturated_only else 0.05
        super().__init__(hard, c=default if c is None else c, c_start=c_start)
        self.saturated_only = saturated_only

    def activate(self, x: Tensor, noise: Tensor | None) -> Tensor:
        if noise is None:
            return self.hard(x)
        if self.saturated_only:
            noise = noise * (x.abs() > self.hard.saturation)
        return self.hard(x + self.c * noise)


class LearnedInputNoise(NoisyActivation):
    """Learned NANI: φ(x) = h(x + s ξ), s = c softplus(p |Δ| / (|ξ| + 1e-10)), in eval mode h(x).

    The farther x is in saturation, the larger the noise. p is learned, one number for each channel.

    Args:
        channels: size of dimension 1 of x.
        c: see `NoisyActivation`.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(self, channels: int, *, hard: Hard, c: float = 0.25, c_start: float | None = None) -> None:
        super().__init__(hard, c=c, c_start=c_start)
        self.p = nn.Parameter(torch.ones(channels))

    def activate(self, x: Tensor, noise: Tensor | None) -> Tensor:
        if noise is None:
            return self.hard(x)
        excess = (self.hard(x) - self.hard.linear(x)).abs()
        scale = self.c * F.softplus(_by_channel(self.p, x) * excess / (noise.abs() + 1e-10))
        return self.hard(x + scale * noise)


def _by_channel(p: Tensor, x: Tensor) -> Tensor:
    """p of shape (C,), reshaped so that it multiplies x of shape (B, C, …) by channel."""
    return p.to(x.dtype).view(-1, *[1] * (x.ndim - 2))


def _relu(channels: int) -> nn.Module:
    return nn.ReLU(inplace=True)


def _tanh(channels: int) -> nn.Module:
    return nn.Tanh()


def _hard_tanh(channels: int) -> nn.Module:
    return nn.Hardtanh()


ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "relu": _relu,
    "prelu": PReLU,
    "tanh": _tanh,
    "hard-tanh": _hard_tanh,
    "nan-tanh": partial(OutputNoise, hard=TANH, half_normal=False),
    "nan-sigmoid": partial(OutputNoise, hard=SIGMOID, half_normal=False),
    "nah-tanh": partial(OutputNoise, hard=TANH, half_normal=True),
    "nah-sigmoid": partial(OutputNoise, hard=SIGMOID, half_normal=True),
    "nani-tanh": partial(InputNoise, hard=TANH, saturated_only=False),
    "nani-sigmoid": partial(InputNoise, hard=SIGMOID, saturated_only=False),
    "nanis-tanh": partial(InputNoise, hard=TANH, saturated_only=True),
    "nanis-sigmoid": partial(InputNoise, hard=SIGMOID, saturated_only=True),
    "learned-nani-tanh": partial(LearnedInputNoise, hard=TANH),
    "learned-nani-sigmoid": partial(LearnedInputNoise, hard=SIGMOID),
}


def make_activation(choice: ActivationChoice, channels: int) -> nn.Module:
    """The activation named by `choice`, for maps of `channels` channels.

    Args:
        choice: a key of `ACTIVATIONS`, or {"name": a key, …} with arguments such as `c`.

    Raises:
        ModelError: no such activation or argument, or one out of its range.
    """
    arguments = {"name": choice} if isinstance(choice, str) else dict(choice)
    name = arguments.pop("name", None)
    if not isinstance(name, str):
        raise ModelError(
            "activation: name it, as in activation: nah-tanh or activation: {name: nah-tanh, c: 0.3}"
        )
    if name not in ACTIVATIONS:
        raise ModelError(f"activation: {unknown_name('activation', name, ACTIVATIONS)}")
    try:
        check_arguments(name, ACTIVATIONS[name], arguments)
        return ACTIVATIONS[name](channels, **arguments)
    except ValueError as error:
        raise ModelError(f"activation: {error}") from error
