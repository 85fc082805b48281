"""Steps whose loss or gradient is not finite: they leave no trace in what is trained, and are counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nsface.auxiliary.base import Auxiliary
from nsface.private_torch import copy_all, update_where


@dataclass(frozen=True)
class Skipped:
    """How many steps have been skipped.

    Attributes:
        since: since the last `begin_line`.
        row: one after the other, up to the last step; 0 if that was not skipped.
        longest: the most one after the other since the last `begin_line`; a row that began earlier counts
            as a whole.
    """

    since: int
    row: int
    longest: int


class Skipping:
    """Undoes steps that are not finite, without a wait for the device.

    The optimiser leaves weights and momentum as they are in such a step. What the forward pass has changed
    already, such as the running statistics of batch normalisation, is put back.

    Args:
        parts: what is trained, with all that the forward pass changes.
        optimizer: over all of these, a fused one.
        device: where they are.
    """

    def __init__(
        self, parts: Iterable[nn.Module], optimizer: torch.optim.Optimizer, device: torch.device
    ) -> None:
        self._optimizer = optimizer
        self._by_label: list[Tensor] = []
        self._small: dict[torch.dtype, list[Tensor]] = {}
        for module in (module for part in parts for module in part.modules()):
            rows = module.buffers_by_identity if isinstance(module, Auxiliary) else ()
            for name, buffer in module.named_buffers(recurse=False):
                if name in rows:
                    self._by_label.append(buffer)
                else:
                    self._small.setdefault(buffer.dtype, []).append(buffer)
        self._labels: Tensor | None = None
        self._before: list[Tensor] = []
        self._counts = torch.zeros(3, dtype=torch.int64, device=device)  # in the order of `Skipped`
        self._norm = torch.zeros((), device=device)

    @torch.no_grad()
    def begin_step(self, labels: Tensor) -> None:
        """Remember what the forward pass may change: small buffers, and rows of `labels` in large ones."""
        self._labels = labels
        self._before = [_joined(buffers) for buffers in self._small.values()]
        self._before += [buffer[labels] for buffer in self._by_label]

    @torch.no_grad()
    def end_step(self, finite: Tensor, norm: Tensor) -> None:
        """Say whether the step counts. To be called before the optimiser's step.

        Args:
            finite: of shape (); where it is false, the optimiser's step will change nothing, and what the
                forward pass has changed is put back.
            norm: of the gradient.
        """
        before = iter(self._before)
        for buffers in self._small.values():
            kept = torch.where(finite, _joined(buffers), next(before))
            parts = kept.split([buffer.numel() for buffer in buffers])
            copy_all(buffers, [part.view_as(buffer) for buffer, part in zip(buffers, parts, strict=True)])
        for buffer in self._by_label:
            buffer[self._labels] = torch.where(finite, buffer[self._labels], next(before))
        self._before = []
        update_where(self._optimizer, finite)
        self._norm = torch.where(finite, norm, self._norm)
        since, row, longest = self._counts.unbind()
        skipped = finite.logical_not()
        since += skipped
        row.add_(1).mul_(skipped)
        torch.maximum(longest, row, out=longest)

    def read(self) -> Skipped:
        """What has been counted. This waits for the device."""
        return Skipped(*self._counts.tolist())

    def norm(self) -> float:
        """The norm of the gradient of the last step that was not skipped. This waits for the device."""
        return float(self._norm)

    def begin_line(self) -> None:
        """Count anew for the next line of the log; a row goes on."""
        self._counts[0].zero_()
        self._counts[2].zero_()

    def state(self) -> dict[str, Any]:
        """The counts and the norm, for `restore`."""
        return {"skipped": self._counts, "norm": self._norm}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self._counts.copy_(state["skipped"])
        self._norm.copy_(state["norm"])


def _joined(buffers: list[Tensor]) -> Tensor:
    return torch.cat([buffer.reshape(-1) for buffer in buffers])
