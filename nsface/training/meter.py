"""Running means of a training, kept on the device: nothing waits for it until a line is logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nsface.heads import HeadOutput

SATURATED = 0.999
FIELDS = ("loss", "accuracy", "probability", "saturated", "gradient")


class Meter:
    """Means since the last reading.

    loss: mean loss. accuracy: share of samples whose clean target logit is the highest. probability: mean
    p_y. saturated: share with p_y > 0.999. gradient: mean |∂L/∂f'|, which for softmax is 1 − p_y.

    Args:
        auxiliary: names of the auxiliary losses, whose means are kept too.
    """

    def __init__(self, device: torch.device, auxiliary: Sequence[str] = ()) -> None:
        self._fields = (*FIELDS, *auxiliary)
        self._sums = torch.zeros(len(self._fields), dtype=torch.float64, device=device)
        self._samples = 0

    def add(self, output: HeadOutput, auxiliary: Mapping[str, Tensor] | None = None) -> None:
        """Add a batch: what the head gave, and by name the (mean) auxiliary losses."""
        rows = (
            output.loss.detach(),
            output.correct,
            output.probability,
            output.probability > SATURATED,
            output.gradient,
        )
        losses = [value.detach().double() * len(output.loss) for value in (auxiliary or {}).values()]
        self._sums += torch.stack([row.double().sum() for row in rows] + losses)
        self._samples += len(output.loss)

    def read(self) -> dict[str, float]:
        """Means by field since the last call; starts anew. This waits for the device."""
        means = (self._sums / max(self._samples, 1)).tolist()
        self._sums.zero_()
        self._samples = 0
        return dict(zip(self._fields, means, strict=True))

    def state(self) -> dict[str, Tensor | int]:
        return {"sums": self._sums.cpu(), "samples": self._samples}

    def restore(self, state: dict[str, Tensor | int]) -> None:
        self._sums.copy_(torch.as_tensor(state["sums"]))
        self._samples = int(state["samples"])
