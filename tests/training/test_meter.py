"""Means over samples, whatever the sizes of the batches they came in."""

from __future__ import annotations

import pytest
import torch

from nsface.heads import HeadOutput
from nsface.training.meter import Meter


def output(*probabilities: float) -> HeadOutput:
    p = torch.tensor(probabilities)
    return HeadOutput(loss=-p.log(), correct=p > 0.5, probability=p, gradient=1 - p)


def test_means_over_batches_of_different_sizes() -> None:
    meter = Meter(torch.device("cpu"), ["center"])
    meter.add(output(0.5, 0.9995, 0.25), {"center": torch.tensor(4.0)})
    meter.add(output(1.0), {"center": torch.tensor(8.0)})
    means = meter.read()
    assert means["probability"] == pytest.approx(2.7495 / 4)
    assert means["gradient"] == pytest.approx(1 - 2.7495 / 4)
    assert means["accuracy"] == 0.5
    assert means["saturated"] == 0.5
    assert means["center"] == pytest.approx((3 * 4 + 8) / 4)
    meter.add(output(0.125), {"center": torch.tensor(1.0)})
    assert meter.read()["center"] == 1.0, "each reading starts anew"


def test_state_carries_what_was_added() -> None:
    meter, other = (Meter(torch.device("cpu"), ["center"]) for _ in range(2))
    meter.add(output(0.5, 0.25), {"center": torch.tensor(3.0)})
    other.restore(meter.state())
    for each in (meter, other):
        each.add(output(0.75), {"center": torch.tensor(6.0)})
    assert other.read() == meter.read()
