"""L-Softmax (Liu, Wen, Yu and Yang, ICML 2016, https://arxiv.org/abs/1612.02295)."""

from __future__ import annotations

from torch import Tensor

from nsface.heads.base import Head, Target
from nsface.heads.noise import Noise
from nsface.heads.psi import annealed_lambda, psi_of_multiple
from nsface.ranges import above, at_least, between


class LSoftmax(Head):
    """Softmax with the target's angle multiplied, and nothing normalised.

        f' = ‖W_y‖ ‖x‖ (λ cos θ_y + ψ(mθ_y)) / (1 + λ),    ψ(φ) = (−1)^k cos φ − 2k, k = ⌊φ/π⌋,

    where λ falls with the training steps, from 1000 to its lowest value, since ψ alone hardly converges.

    Args:
        margin: m, a whole number from 1 to 4; 1 is softmax.
        lowest_lambda: the value at which λ ends, ≥ 0.
        annealing: how fast λ falls, 1000/(1 + annealing · step); above 0.
        alpha2: α² ≥ 0 of annealed noise after the margin (see `NoisySoftmax`); 0 is none.

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
    ) -> None:
        super().__init__(embedding_size, identities)
        self.margin = int(between("margin", margin, 1, 4))
        self.lowest_lambda = at_least("lowest_lambda", lowest_lambda, 0)
        self.annealing = above("annealing", annealing, 0)
        self.noise = Noise(alpha2)

    def changed_target(self, target: Target) -> Tensor:
        weight = annealed_lambda(self.step, self.lowest_lambda, self.annealing)
        psi = psi_of_multiple(target.cosine, self.margin)
        changed = (weight * target.inner + target.length * psi) / (1 + weight)
        return changed - self.noise(target, self.generator)
