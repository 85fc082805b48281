"""Noisy Softmax (Chen, Deng and Du, CVPR 2017, https://arxiv.org/abs/1708.03769)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from nsface.arguments import check_arguments
from nsface.heads.base import Head, Target
from nsface.heads.noise import AlphaSchedule, Distribution, Noise, NoisePer, Variant


class NoisySoftmax(Head):
    """Softmax whose target logit is lowered by annealed noise, so that samples saturate later.

        f' = f_y − α ‖W_y‖ ‖x‖ (1 − cos θ_y) |ξ| + b_y,    ξ ~ N(0, 1)

    and with λ and μ of the authors' layer

        f' = f_y − (1 − λ) (α|ξ| + μ) ‖W_y‖ ‖x‖ (1 − cos θ_y) + b_y.

    The noise is never negative and fades as θ_y → 0: the annealing is in the factor (1 − cos θ_y). Gradients
    flow through the norms and the cosine, with ξ held constant. Other logits are those of softmax, and in
    eval mode so is the target's. All arguments but `alpha2` are for ablations and comparisons.

    Args:
        alpha2: α², the variance of the noise, ≥ 0; 0 is softmax. Published: 0.1 on faces and CIFAR.
        variant: "annealed" is the method; "amplitude" is α ‖W_y‖ ‖x‖ |ξ|, "free" is α |ξ|.
        noise: "half-normal" is |ξ|; "normal" is ξ, which raises as many logits as it lowers.
        noise_per: one ξ for each "sample" (the equation read naturally), or one for each "batch" (as in the
            authors' layer).
        lamda: λ in [0, 1]: 0 is the paper's formula, 1 is softmax. (The authors' layer has 1 by default.)
        miu: μ ≥ 0, which lowers the logit beside α|ξ|, with any α, 0 too. λ and μ are the authors' for the
            annealed noise; with the other variants and distributions they act in the same places.
        alpha_schedule: how α changes over the run. The paper has no schedule ("constant"); with "linear" and
            "cosine" α falls to 0. μ does not follow it.

    Raises:
        ValueError: an argument out of its range, or an argument of nsface 0.3 that another has replaced.
    """

    former_arguments: ClassVar[dict[str, str]] = {
        "blend": "its place has taken lamda, the authors' λ: give lamda = blend/(1 + blend)",
        "offset": "its place has taken miu, the authors' μ, outside α: give miu = offset · √alpha2",
    }

    def __init__(
        self,
        embedding_size: int,
        identities: int,
        *,
        alpha2: float = 0.1,
        variant: Variant = "annealed",
        noise: Distribution = "half-normal",
        noise_per: NoisePer = "sample",
        lamda: float = 0.0,
        miu: float = 0.0,
        alpha_schedule: AlphaSchedule = "constant",
        bias: bool = False,
        **unknown: object,
    ) -> None:
        check_arguments("noisy-softmax", NoisySoftmax, unknown)
        super().__init__(embedding_size, identities, bias=bias)
        self.noise = Noise(alpha2, variant, noise, noise_per, lamda, miu, alpha_schedule)

    def changed_target(self, target: Target) -> Tensor:
        return target.logit - self.noise(target, self.generator, self.progress)
