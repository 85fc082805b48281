"""The bound of a step, by hand, and rates that are measured here."""

from __future__ import annotations

import pytest
import torch

from nsface.benchmark import roofline
from nsface.benchmark.roofline import PUBLISHED, Roofline, arithmetic_of, measure_roofline
from nsface.networks.cost import LayerCost

CPU = torch.device("cpu")


def test_each_layer_needs_the_longer_of_its_products_and_its_traffic() -> None:
    device = Roofline("fp32", None, matmul=1000.0, convolution=500.0, bandwidth=100.0)
    heavy = LayerCost(multiply_adds=100, inputs=1, outputs=1)  # 6·100·2 operations, at the higher rate
    wide = LayerCost(multiply_adds=1, inputs=20, outputs=5)  # 3·25·2·4 bytes
    assert device.step_bound([heavy, wide], batch=2, weights=50) == pytest.approx(
        1200 / 1000 + 600 / 100 + 32 * 50 / 100
    )
    half = Roofline("bf16", None, matmul=1000.0, convolution=500.0, bandwidth=100.0)
    assert half.step_bound([wide], batch=2, weights=0) == pytest.approx(300 / 100)


def test_measured_rates_are_those_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    # every repetition takes a second
    monkeypatch.setattr(roofline, "_fastest", lambda device, work: (work(), 1.0)[1])
    found = measure_roofline(CPU, torch.float32)
    assert found.matmul == 2 * 1536**3
    # each output is the sum of 9 · 128 products
    assert found.convolution == 2 * (8 * 28 * 28 * 128) * (9 * 128)
    assert found.bandwidth == 2 * 4 * 2**25
    assert found.reached == found.matmul
    assert (found.arithmetic, found.published) == ("fp32", None)


def test_the_arithmetic_of_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert [arithmetic_of(cuda, dtype) for dtype in (torch.bfloat16, torch.float32)] == ["bf16", "tf32"]
    assert arithmetic_of(CPU, torch.float32) == "fp32"
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    assert arithmetic_of(cuda, torch.float32) == "fp32"


def test_published_peaks_fall_from_bf16_to_fp32() -> None:
    for peaks in PUBLISHED.values():
        assert peaks["bf16"] > peaks["tf32"] > peaks["fp32"]
