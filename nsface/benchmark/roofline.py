"""What a device can give: its published peak, what products and copies reach here, and a bound from both."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from nsface.benchmark.timing import seconds, synchronise
from nsface.networks.cost import LayerCost

Arithmetic = Literal["bf16", "tf32", "fp32"]
# Dense floating-point operations a second, from NVIDIA's data sheets (which state twice the dense rate of
# tensor cores, with sparsity), by the name that CUDA gives the card.
_HOPPER_SXM: dict[Arithmetic, float] = {"bf16": 989.4e12, "tf32": 494.7e12, "fp32": 66.9e12}
PUBLISHED: dict[str, dict[Arithmetic, float]] = {
    "NVIDIA H100 80GB HBM3": _HOPPER_SXM,
    "NVIDIA H100 PCIe": {"bf16": 756e12, "tf32": 378e12, "fp32": 51.2e12},
    "NVIDIA H200": _HOPPER_SXM,
    "NVIDIA A100-SXM4-40GB": {"bf16": 312e12, "tf32": 156e12, "fp32": 19.5e12},
    "NVIDIA A100-SXM4-80GB": {"bf16": 312e12, "tf32": 156e12, "fp32": 19.5e12},
}
TRAINING = 3  # the backward pass has the products of the forward pass twice: by the inputs, by the weights
_SECONDS = 0.3  # that each rate is measured for
_WEIGHT_BYTES = 32  # of a float32 weight in a step: read by both passes; gradient, momentum and itself by SGD


@dataclass(frozen=True)
class Roofline:
    """What a device reaches.

    Attributes:
        arithmetic: how products are computed: "bf16", "tf32" or "fp32".
        published: its published floating-point operations a second; None where nsface does not know them.
        matmul: floating-point operations a second of a large square matrix product, here.
        convolution: of a 3×3 convolution of 128 channels, channels last, forward, here.
        bandwidth: bytes a second that a large copy reads and writes, both counted, here.
    """

    arithmetic: Arithmetic
    published: float | None
    matmul: float
    convolution: float
    bandwidth: float

    @property
    def reached(self) -> float:
        """The higher of the two rates that were measured."""
        return max(self.matmul, self.convolution)

    def step_bound(self, layers: Sequence[LayerCost], batch: int, weights: int) -> float:
        """Seconds that a step takes at least, if everything but these layers cost nothing.

        Each layer needs the longer of its products at the rate that was reached, and of reading its inputs
        and writing its outputs, three times each over both passes; and weights are changed.

        Args:
            layers: of the network, with the classifier.
            batch: images.
            weights: parameters, all float32.
        """
        width = 2 if self.arithmetic == "bf16" else 4
        spent = _WEIGHT_BYTES * weights / self.bandwidth
        for layer in layers:
            computing = 2 * TRAINING * layer.multiply_adds * batch / self.reached
            moving = TRAINING * (layer.inputs + layer.outputs) * batch * width / self.bandwidth
            spent += max(computing, moving)
        return spent


def measure_roofline(device: torch.device, dtype: torch.dtype) -> Roofline:
    """The rates that `device` reaches with products of `dtype`, in about a second."""
    cuda = device.type == "cuda"
    size = 8192 if cuda else 1536
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    matmul = 2 * size**3 / _fastest(device, lambda: left @ right)
    batch, channels, side = 512 if cuda else 8, 128, 28
    maps = torch.randn(batch, channels, side, side, device=device, dtype=dtype)
    filters = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
    maps, filters = (t.contiguous(memory_format=torch.channels_last) for t in (maps, filters))
    work = 2 * batch * side**2 * 9 * channels**2
    with torch.no_grad():
        convolution = work / _fastest(device, lambda: F.conv2d(maps, filters, padding=1))
    source = torch.ones(2**28 if cuda else 2**25, device=device)
    target = torch.empty_like(source)
    bandwidth = 2 * source.numel() * 4 / _fastest(device, lambda: target.copy_(source))
    arithmetic = arithmetic_of(device, dtype)
    name = torch.cuda.get_device_name(device) if cuda else ""
    return Roofline(arithmetic, PUBLISHED.get(name, {}).get(arithmetic), matmul, convolution, bandwidth)


def arithmetic_of(device: torch.device, dtype: torch.dtype) -> Arithmetic:
    """How convolutions of `dtype` are computed on `device`, as PyTorch is set now."""
    if dtype == torch.bfloat16:
        return "bf16"
    return "tf32" if device.type == "cuda" and torch.backends.cudnn.allow_tf32 else "fp32"


def _fastest(device: torch.device, work: Callable[[], object]) -> float:
    """Seconds of `work`, the fastest of some blocks after one that does not count."""
    work()
    synchronise(device)
    once = seconds(device, work)
    repeats = max(1, round(_SECONDS / 10 / once))
    end = time.perf_counter() + _SECONDS
    fastest = once
    while time.perf_counter() < end:
        block = seconds(device, lambda: [work() for _ in range(repeats)])
        fastest = min(fastest, block / repeats)
    return fastest
