"""Triplet loss (FaceNet: Schroff et al., CVPR 2015, https://arxiv.org/abs/1503.03832)."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from nsface.auxiliary.base import Auxiliary, same_identity, squared_distances
from nsface.ranges import between


class Triplet(Auxiliary):
    """Each sample is to be nearer to its own identity than to any other, by a margin.

        l = max(0, d²_ap − d²_an + margin)

    d is the distance between L2-normalised features. Of all triplets of the batch each sample a is the anchor
    of one, the hardest: with the farthest p of its own identity and the nearest n of another ("batch hard":
    Hermans, Beyer and Leibe 2017, https://arxiv.org/abs/1703.07737). L is the mean of l over the anchors; a
    sample without another of its identity, or without one of another identity, is no anchor.

    Args:
        margin: in (0, 4], in units of d².

    Raises:
        ValueError: an argument out of its range.
    """

    needs_pairs: ClassVar[bool] = True

    def __init__(
        self, embedding_size: int, identities: int, *, weight: float = 1.0, margin: float = 0.2
    ) -> None:
        super().__init__(embedding_size, identities, weight=weight)
        self.margin = between("margin", margin, 0, 4, open_low=True)

    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        squared = squared_distances(features)
        genuine, impostors = same_identity(labels)
        farthest = squared.masked_fill(~genuine, -math.inf).amax(dim=1)
        nearest = squared.masked_fill(~impostors, math.inf).amin(dim=1)
        # -inf where there is no triplet, which the hinge makes 0
        hinge = (farthest - nearest + self.margin).clamp_min(0)
        anchors = genuine.any(dim=1) & impostors.any(dim=1)
        return hinge.sum() / anchors.sum().clamp_min(1)
