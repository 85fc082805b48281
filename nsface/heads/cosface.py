"""CosFace (Wang et al., CVPR 2018, https://arxiv.org/abs/1801.09414)."""

from __future__ import annotations

from torch import Tensor

from nsface.heads.base import Target
from nsface.heads.normalised import NormalisedHead
from nsface.ranges import between


class CosFace(NormalisedHead):
    """f' = s (cos θ_y − m): a margin on the cosine.

    Args:
        scale: s > 0.
        margin: m in [0, 1]; 0 is NormFace. On small sets 0.4 has been used.
        alpha2, sample_rate: see `NormalisedHead`.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        embedding_size: int,
        identities: int,
        *,
        scale: float = 64.0,
        margin: float = 0.35,
        alpha2: float = 0.0,
        sample_rate: float = 1.0,
    ) -> None:
        super().__init__(embedding_size, identities, scale=scale, alpha2=alpha2, sample_rate=sample_rate)
        self.margin = between("margin", margin, 0, 1)

    def changed_cosine(self, target: Target) -> Tensor:
        return target.cosine - self.margin
