"""Modules without weights: the shapes of a network or head, before anything is allocated or drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@contextmanager
def weightless() -> Iterator[None]:
    """Within this context modules are built on PyTorch's device "meta", and weights are not initialised.

    No memory is allocated and no random number is drawn. PyTorch itself would draw on "meta" too, without
    effect, by Python code whose first call imports hundreds of modules, which takes a second.

    Example:
        >>> with weightless():
        ...     layer = torch.nn.Linear(1 << 20, 1 << 20)
        >>> layer.weight.device.type
        'meta'
    """
    with torch.device("meta"), _Uninitialised():
        yield


class _Uninitialised(TorchFunctionMode):
    """Makes every function of `torch.nn.init`, and the draws in place that layers make, do nothing."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        if getattr(func, "__module__", "") == nn.init.__name__:
            return args[0] if args else given["tensor"]
        return func(*args, **given)
