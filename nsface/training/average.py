"""The exponential moving average of the weights of a network while it is trained."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from nsface.private_torch import copy_all


class Average:
    """A copy of a network whose weights are the exponential moving average of those of the network.

        average ← d_t · average + (1 − d_t) · weights,    d_t = min(decay, (1 + t) / (10 + t)),

    after step t, counted from 0. The low decay of the first steps lets the average forget the random weights
    of the beginning. It begins with the weights before step 0. The running statistics of batch normalisation,
    and all other floating-point buffers, are averaged as weights are; integers are copied.

    Args:
        network: on its device.
        decay: in (0, 1).

    Attributes:
        network: the copy, whose state is all that the average needs to go on; its mode has no meaning.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._trained, self._decay = network, decay
        self.network = deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step`, counted from 0."""
        pairs = list(
            zip(self.network.state_dict().values(), self._trained.state_dict().values(), strict=True)
        )
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        others = [pair for pair in pairs if not pair[0].is_floating_point()]
        decay = min(self._decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)([own for own, _ in floats], [new for _, new in floats], step)
        if others:
            copy_all([own for own, _ in others], [new for _, new in others])

    def begin(self) -> None:
        """Begin with the present weights of the network."""
        self.network.load_state_dict(self._trained.state_dict())
