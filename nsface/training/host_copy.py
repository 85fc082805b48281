"""Copies of a training's state in host memory, which are written while the training goes on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nsface.training.host_memory import free_memory

SHARE = 0.25  # of the free host memory that a copy may take


class HostCopy:
    """A copy of a state in host memory. The next copy is made in the same memory.

    Tensors on a CUDA device are copied into pinned memory, which is queued like any other work: neither the
    device nor the host waits for the other. The copy may be read after `wait`.
    """

    def __init__(self) -> None:
        self._tensors: dict[tuple[Any, ...], Tensor] = {}
        self._former: dict[tuple[Any, ...], Tensor] = {}
        self._copied: torch.cuda.Event | None = None

    def of(self, state: dict[str, Any]) -> dict[str, Any]:
        """The copy of `state`: dicts, lists and tuples of tensors and other values. It ends the former copy.

        Tensors keep their strides and share no memory.
        """
        self._former, self._tensors = self._tensors, {}
        copy: dict[str, Any] = self._of(state, ())
        self._former = {}
        self._copied = None
        if any(tensor.is_pinned() for tensor in self._tensors.values()):
            self._copied = torch.cuda.Event()
            self._copied.record()
        return copy

    def wait(self) -> None:
        """Return when the device has made its part of the copy."""
        if self._copied is not None:
            self._copied.synchronize()

    def _of(self, value: Any, place: tuple[Any, ...]) -> Any:
        if isinstance(value, Tensor):
            return self._of_tensor(value.detach(), place)
        if isinstance(value, dict):
            return {key: self._of(item, (*place, key)) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._of(item, (*place, number)) for number, item in enumerate(value))
        return value

    def _of_tensor(self, tensor: Tensor, place: tuple[Any, ...]) -> Tensor:
        copy = self._former.get(place)
        if copy is None or copy.dtype != tensor.dtype or copy.shape != tensor.shape:
            copy = torch.empty_like(tensor, device="cpu", pin_memory=tensor.is_cuda)
        self._tensors[place] = copy
        return copy.copy_(tensor, non_blocking=True)


def may_be_copied(size: int) -> bool:
    """Whether so many bytes are at most `SHARE` of the host memory that is free."""
    return size <= SHARE * free_memory()


def size_of(value: Any) -> int:
    """The bytes of all tensors in dicts, lists and tuples of tensors and other values."""
    if isinstance(value, Tensor):
        return value.nbytes
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return sum(map(size_of, items))
