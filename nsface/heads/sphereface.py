"""SphereFace (Liu et al., CVPR 2017, https://arxiv.org/abs/1704.08063)."""

from __future__ import annotations

from torch import Tensor

from nsface.heads.base import Target
from nsface.heads.normalised import NormalisedHead
from nsface.heads.psi import annealed_lambda, psi_of_multiple
from nsface.ranges import above, at_least, between


class SphereFace(NormalisedHead):
    """L-Softmax with class weights of length 1: z_j = ‖x‖ cos θ_j, and

        f' = ‖x‖ (λ cos θ_y + ψ(mθ_y)) / (1 + λ),    ψ(φ) = (−1)^k cos φ − 2k, k = ⌊φ/π⌋,

    where λ falls with the training steps, from 1000 to its lowest value. Features keep their length.

    Args:
        margin: m, a whole number from 1 to 4; 1 is no margin.
        lowest_lambda: the value at which λ ends, ≥ 0.
        annealing: how fast λ falls, 1000/(1 + annealing · step); above 0.
        alpha2, sample_rate: see `NormalisedHead`; the noise has ‖x‖ for s.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        embedding_size: int,
        identities: int,
        *,
        margin: int = 4,
        lowest_lambda: float = 5.0,
        annealing: float = 0.12,
        alpha2: float = 0.0,
        sample_rate: float = 1.0,
    ) -> None:
        super().__init__(embedding_size, identities, scale=None, alpha2=alpha2, sample_rate=sample_rate)
        self.margin = int(between("margin", margin, 1, 4))
        self.lowest_lambda = at_least("lowest_lambda", lowest_lambda, 0)
        self.annealing = above("annealing", annealing, 0)

    def changed_cosine(self, target: Target) -> Tensor:
        weight = annealed_lambda(self.step, self.lowest_lambda, self.annealing)
        return (weight * target.cosine + psi_of_multiple(target.cosine, self.margin)) / (1 + weight)
