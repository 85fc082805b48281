"""Whether tensors are finite: neither NaN nor infinity is in them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of the `tensors` that hold NaN or infinity, in their order.

    In the usual case, in which there are none, every tensor is read once, with one call and one wait for each
    device and type among them.
    """
    numbers = {name: t for name, t in tensors.items() if t.is_floating_point() and t.numel()}
    kinds: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in numbers.values():
        kinds.setdefault((tensor.device, tensor.dtype), []).append(tensor.detach())
    # NaN or infinity where a number is, or where numbers are so large that their squares are; on a CPU the
    # largest absolute value takes sixty times as long
    if all(bool(get_total_norm(kind).isfinite()) for kind in kinds.values()):
        return []
    return [name for name, tensor in numbers.items() if not tensor.isfinite().all()]
