"""Contrastive loss (Hadsell, Chopra and LeCun, CVPR 2006; on faces: Sun et al., https://arxiv.org/abs/1406.4773)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from nsface.auxiliary.base import Auxiliary, same_identity, squared_distances
from nsface.norms import SMALLEST_NORM
from nsface.ranges import between


class Contrastive(Auxiliary):
    """Genuine pairs are pulled together, impostor pairs are pushed apart up to the margin M.

        l = ½ [y d² + (1 − y) max(0, M − d)²],    y = 1 for genuine pairs, else 0

    d is the distance between L2-normalised features, in [0, 2]. All pairs of the batch take part: L is the
    mean of l over the genuine pairs plus its mean over the impostor pairs, so that the many impostors of a
    batch do not outweigh the few genuine pairs. A mean over no pairs is 0.

    Args:
        margin: M, in (0, 2].

    Raises:
        ValueError: an argument out of its range.
    """

    needs_pairs: ClassVar[bool] = True

    def __init__(
        self, embedding_size: int, identities: int, *, weight: float = 1.0, margin: float = 1.0
    ) -> None:
        super().__init__(embedding_size, identities, weight=weight)
        self.margin = between("margin", margin, 0, 2, open_low=True)

    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        squared = squared_distances(features)
        genuine, impostors = same_identity(labels)
        # the square root has no slope at 0: features that coincide are not pushed in any direction
        shortfall = (self.margin - squared.clamp_min(SMALLEST_NORM).sqrt()).clamp_min(0)
        pull = (squared * genuine).sum() / genuine.sum().clamp_min(1)
        push = (shortfall.square() * impostors).sum() / impostors.sum().clamp_min(1)
        return (pull + push) / 2
