"""Tensors that are not finite are named, whatever is beside them."""

from __future__ import annotations

import pytest
import torch

from nsface.finite import not_finite


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_single_number_is_found(value: float, kind: torch.dtype) -> None:
    broken = torch.ones(5, 7, dtype=kind)
    broken[3, 2] = value
    tensors = {"first": torch.ones(3), "second": broken, "third": torch.zeros(2), "steps": torch.tensor(3)}
    assert not_finite(tensors) == ["second"]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_largest_numbers_are_finite(kind: torch.dtype) -> None:
    largest = torch.finfo(kind).max
    assert not_finite({"a": torch.tensor([largest, -largest], dtype=kind), "none": torch.empty(0)}) == []
