"""Noisy Softmax (Chen, Deng and Du, CVPR 2017, https://arxiv.org/abs/1708.03769)."""

from __future__ import annotations

from torch import Tensor

from nsface.heads.base import Head, Target
from nsface.heads.noise import Fading, Law, Noise, Unit, Variant
from nsface.heads.ranges import at_least


class NoisySoftmax(Head):
    """Softmax whose target logit is lowered by annealed noise, so that samples saturate later.

        f' = f_y − α ‖W_y‖ ‖x‖ (1 − cos θ_y) |ξ| + b_y,    ξ ~ N(0, 1)

    The noise is never negative and fades as θ_y → 0: the annealing is in the factor (1 − cos θ_y). Gradients
    flow through the norms and the cosine, with ξ held constant. Other logits are those of softmax, and in
    eval mode so is the target's. All arguments but `alpha2` are for ablations and comparisons.

    Args:
        alpha2: α², the variance of the noise, ≥ 0; 0 is softmax. Published: 0.1 on faces and CIFAR.
        variant: "annealed" is the method; "amplitude" is α ‖W_y‖ ‖x‖ |ξ|, "free" is α |ξ|.
        noise: "half-normal" is |ξ|; "normal" is ξ, which raises as many logits as it lowers.
        noise_per: one ξ for each "sample" (the equation read naturally), or one for each "batch" (as in the
            authors' layer).
        blend: λ ≥ 0 of the authors' layer: f' becomes (λ z_y + f') / (1 + λ).
        offset: μ ≥ 0 of the authors' layer, added to |ξ|.
        alpha_schedule: α over the run. The paper has none ("constant"); "linear" and "cosine" fall to 0.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        embedding_size: int,
        identities: int,
        *,
        alpha2: float = 0.1,
        variant: Variant = "annealed",
        noise: Law = "half-normal",
        noise_per: Unit = "sample",
        blend: float = 0.0,
        offset: float = 0.0,
        alpha_schedule: Fading = "constant",
        bias: bool = False,
    ) -> None:
        super().__init__(embedding_size, identities, bias=bias)
        self.noise = Noise(alpha2, variant, noise, noise_per, offset, alpha_schedule)
        self.blend = at_least("blend (λ)", blend, 0)

    def changed_target(self, target: Target) -> Tensor:
        # (λ z_y + f') / (1 + λ) = z_y − noise / (1 + λ)
        return target.logit - self.noise(target, self.generator, self.progress) / (1 + self.blend)
