"""The layers that make the embedding, which compute in float32 where the convolutions use bfloat16."""

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
        if not _widened(input):
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(self.weight.dtype))


class GlobalAverage(nn.Module):
    """The mean over the map, for networks whose embedding it is: (B, features, H, W) to (B, D).

    With D = `features` the mean is the embedding; otherwise a linear layer makes it from the mean. Under
    autocast both compute in float32.

    Args:
        features: channels of the map.
        embedding_size: D.

    Attributes:
        features: the channels of the map.
    """

    def __init__(self, features: int, embedding_size: int) -> None:
        super().__init__()
        self.features = features
        self.fc: nn.Module = nn.Identity()
        if embedding_size != features:
            self.fc = EmbeddingLayer(features, embedding_size)

    def forward(self, maps: Tensor) -> Tensor:
        means = (maps.float() if _widened(maps) else maps).mean(dim=(2, 3))
        embeddings: Tensor = self.fc(means)
        return embeddings


def _widened(input: Tensor) -> bool:
    """Whether autocast is at work, and the embedding computes in float32 nevertheless."""
    kind = input.device.type
    # a compiler, which runs on devices with autocast only, does not know the first question
    available = torch.compiler.is_compiling() or torch.amp.is_autocast_available(kind)
    return IN_FLOAT32 and available and torch.is_autocast_enabled(kind)
