"""Whether a training learns anything, and the likely causes where it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nsface.heads import Head, HeadOutput, NormalisedHead
from nsface.recipe.schema import Recipe

FEWEST_STEPS = 100  # shorter runs are trials of something else
EVIDENCE = math.log(1e6)  # chance gives a result as good as one that counts once in a million times
BELOW = 0.1  # nats, by which a loss must be below that of equal logits to count


class Learning:
    """Compares what a head recognises with chance, over the second half of the first steps, once.

    The run has learned something if the target logit, without noise or margin, is the highest more often
    than it would be if the network saw no images; or if the cross entropy of these logits is below that of
    the best constant ones, the entropy of the labels. The first holds for every head. The second is used
    where heads leave the logits of the other identities as they are.

    Args:
        recipe: of the run.
        head: the head, on its device.
        labels: of all training images.
        steps_per_epoch: the number of steps in an epoch.
        total_steps: the number of steps in the run.

    Attributes:
        steps: the number of steps after which the comparison is made; None: it is not made.
    """

    def __init__(
        self, recipe: Recipe, head: Head, labels: Tensor, steps_per_epoch: int, total_steps: int
    ) -> None:
        self._recipe, self._head = recipe, head
        self.steps = first_steps(recipe, steps_per_epoch, total_steps)
        counts = torch.bincount(labels, minlength=head.identities).double()
        if recipe.sampler is not None:  # which uses all identities about equally often
            counts = (counts > 0).double()
        shares = counts / counts.sum()
        self._images = len(labels)
        self._sampled = head.sample_rate if isinstance(head, NormalisedHead) else 1.0
        self._chance = float(shares.max()) / self._sampled
        self._entropy = float(torch.special.entr(shares).sum()) + math.log(self._sampled)
        self._classes = self._sampled * head.identities
        self._sums = torch.zeros(
            3, dtype=torch.float64, device=labels.device
        )  # samples, correct, cross entropy

    def add(self, step: int, output: HeadOutput, finite: Tensor) -> None:
        """Add the batch of `step`, counted from 0, unless it is outside of the steps that are compared."""
        if self.steps is None or not self.steps // 2 <= step < self.steps:
            return
        surprise = -output.probability.double().clamp_min(torch.finfo(torch.float32).tiny).log()
        values = (torch.ones_like(surprise), output.correct.double(), surprise)
        self._sums += torch.where(finite, torch.stack([value.sum() for value in values]), 0.0)

    def remarks(self) -> list[str]:
        """A line that says that nothing has been learned, with likely causes; none if something has been.

        It is for the end of `steps`, and waits for the device.
        """
        samples, correct, surprise = self._sums.tolist()
        if not samples or self.steps is None:
            return []
        share, surprise = correct / samples, surprise / samples
        # Images come back in every epoch: there are no more independent samples than there are images.
        if min(samples, self._images) * divergence(share, self._chance) > EVIDENCE:
            return []
        plain = type(self._head).change_of_other_logits is Head.change_of_other_logits
        if plain and surprise < self._entropy - BELOW:
            return []
        causes = likely_causes(self._recipe, self._head, self._images)
        steps = "step" if self.steps == 1 else "steps"
        return [
            f"note: nothing has been learned in {self.steps:,} {steps}: {100 * share:.3g} % of the training "
            f"images are recognised ({100 * self._chance:.3g} % would be by chance), and without noise or "
            f"margin the loss is {surprise:.2f} (log C is {math.log(self._classes):.2f}); likely causes: "
            f"{'; '.join(causes)}"
        ]

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"learning": self._sums}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self._sums.copy_(state["learning"])


def first_steps(recipe: Recipe, steps_per_epoch: int, total_steps: int) -> int | None:
    """After how many steps a run ought to have learned something; None where that is not asked.

    If the recipe does not say, that is after the warm-up and the longest of an epoch, a tenth of the run, and
    `FEWEST_STEPS`.
    """
    if recipe.guard.learning is not None:
        return recipe.guard.learning if recipe.guard.learning <= total_steps else None
    if total_steps < FEWEST_STEPS:
        return None
    warmup = recipe.schedule.warmup * (1 if recipe.iterations else steps_per_epoch)
    return min(math.ceil(warmup) + max(steps_per_epoch, total_steps // 10, FEWEST_STEPS), total_steps)


def divergence(share: float, chance: float) -> float:
    """The Kullback-Leibler divergence of two coins in nats; 0 where `share` is not above `chance`.

    Among n independent samples, chance has a share as high with a probability of at most exp(−n divergence)
    (Chernoff's bound).
    """
    if share <= chance:
        return 0.0
    rest = (1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0
    return share * math.log(share / chance) + rest


def likely_causes(recipe: Recipe, head: Head, images: int) -> list[str]:
    """Why a run may not learn, the likeliest cause first, each with the key of the recipe to change.

    Args:
        recipe: of the run.
        head: as it is now.
        images: the number of training images.
    """
    causes, rate, warmup = [], recipe.optimizer.learning_rate, recipe.schedule.warmup
    if rate < 1e-3:
        causes.append(f"optimizer.learning_rate ({rate:g}) too low")
    alpha2 = recipe.head.arguments.get("alpha2", 0)
    if alpha2 > 0.1:
        causes.append(f"head.alpha2 ({alpha2:g}) too large for the beginning")
    if rate >= 1e-3:
        causes.append(f"optimizer.learning_rate ({rate:g}) too high")
    if not warmup:
        causes.append("no schedule.warmup" + (", which a margin needs" if _has_margin(head) else ""))
    causes += _of_the_scale(head)
    if images < 2 * head.identities:
        causes.append(f"{images:,} images of {head.identities:,} identities: most have a single one")
    length = float(head.weight.detach().norm(dim=1).mean())
    if not head.unit_weights and length > 10:
        causes.append(f"class weights are long (norm {length:.3g})")
    return [*causes, "labels that do not belong to the images (nsface inspect)"]


def _has_margin(head: Head) -> bool:
    return isinstance(head, NormalisedHead) and any(
        getattr(head, name, 0) for name in ("margin", "lower_margin", "m2", "m3")
    )


def _of_the_scale(head: Head) -> list[str]:
    """Whether the scale of a normalised head is far from √2 log(C − 1).

    That is the fixed scale of AdaCos (Zhang et al., CVPR 2019, https://arxiv.org/abs/1905.00292).
    """
    scale = head.current_scale() if isinstance(head, NormalisedHead) else None
    if scale is None or head.identities < 3:
        return []
    usual = math.sqrt(2) * math.log(head.identities - 1)
    if usual / 4 < float(scale) < 4 * usual:
        return []
    which = "high" if float(scale) > usual else "low"
    return [f"head.scale ({float(scale):.3g}) too {which} for {head.identities:,} identities"]
