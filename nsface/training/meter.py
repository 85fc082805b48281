"""Running means of a training, kept on the device, so that no step waits for it until a line is logged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nsface.heads import HeadOutput

SATURATED = 0.999
FIELDS = ("loss", "accuracy", "probability", "saturated", "gradient")


class Meter:
    """Means over the samples since the last reading, but those of steps that were skipped.

    The fields are `loss`, the mean loss of the head; `accuracy`, the share of samples whose target logit,
    without noise or margin, is the highest; `probability`, the mean p_y; `saturated`, the share of samples
    with p_y > 0.999; `gradient`, the mean |∂L/∂f'|, which for softmax is 1 − p_y; and the mean of each
    auxiliary loss under its name.

    Args:
        device: where the sums are kept.
        auxiliary: names of the auxiliary losses.
    """

    def __init__(self, device: torch.device, auxiliary: Sequence[str] = ()) -> None:
        self._fields = (*FIELDS, *auxiliary)
        self._sums = torch.zeros(len(self._fields), dtype=torch.float64, device=device)
        self._samples = 0
        self._left_out = torch.zeros((), dtype=torch.int64, device=device)  # of those samples

    def add(
        self,
        output: HeadOutput,
        auxiliary: Mapping[str, Tensor] | None = None,
        finite: Tensor | None = None,
    ) -> None:
        """Add a batch.

        Args:
            output: what the head says of it.
            auxiliary: the auxiliary losses by name, means over the batch.
            finite: of shape (); where it is false, the batch is left out.
        """
        values = (
            output.loss.detach(),
            output.correct,
            output.probability,
            output.probability > SATURATED,
            output.gradient,
        )
        losses = [loss.detach().double() * len(output.loss) for loss in (auxiliary or {}).values()]
        sums = torch.stack([value.double().sum() for value in values] + losses)
        self._samples += len(output.loss)
        if finite is not None:
            sums = torch.where(finite, sums, 0.0)
            self._left_out += torch.where(finite, 0, len(output.loss))
        self._sums += sums

    def read(self) -> dict[str, float]:
        """The means by field since the last call, after which sums start at 0. This waits for the device.

        They are NaN where there is no sample.
        """
        samples = self._samples - int(self._left_out)
        means = (self._sums / samples).tolist() if samples else [math.nan] * len(self._fields)
        self._sums.zero_()
        self._left_out.zero_()
        self._samples = 0
        return dict(zip(self._fields, means, strict=True))

    def state(self) -> dict[str, Tensor | int]:
        """The sums, which the next batch changes, and the numbers of samples, for `restore`."""
        return {"sums": self._sums, "samples": self._samples, "left_out": self._left_out}

    def restore(self, state: dict[str, Tensor | int]) -> None:
        """Continue from `state`."""
        self._sums.copy_(torch.as_tensor(state["sums"]))
        self._samples = int(state["samples"])
        self._left_out.fill_(state.get("left_out", 0))  # nsface 0.3 left nothing out
