"""The layer that makes the embedding, which computes in float32 where the convolutions use bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Whether the embedding layer of every network, and the normalisation after it, compute in float32 under
# autocast, as in arcface_torch. A bfloat16 has 8 significant bits.
IN_FLOAT32 = True


class EmbeddingLayer(nn.Linear):
    """The linear layer whose output is the embedding, or is only normalised to be it.

    Under autocast it takes part with float32 inputs, weights and outputs, so that a normalisation after it
    computes in float32 too.
    """

    def forward(self, input: Tensor) -> Tensor:
        kind = input.device.type
        # a compiler, which runs on devices with autocast only, does not know the first question
        available = torch.compiler.is_compiling() or torch.amp.is_autocast_available(kind)
        if not (IN_FLOAT32 and available and torch.is_autocast_enabled(kind)):
            return super().forward(input)
        with torch.autocast(kind, enabled=False):
            return super().forward(input.to(self.weight.dtype))
