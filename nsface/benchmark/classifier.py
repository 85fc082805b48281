"""Steps of a classifier alone: time, and memory beyond weights, gradient and momentum."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from unittest import mock

import torch

from nsface.benchmark.timing import Rate, seconds
from nsface.heads import HEADS, other_identities
from nsface.recipe.sections import Optimizer
from nsface.training.optimizer import make_optimizer

Form = Literal["plain", "blocked", "sampled"]
Precision = Literal["fp32", "bf16"]
SAMPLE_RATE = 0.1  # of the sampled form


@dataclass(frozen=True)
class ClassifierCost:
    """What a step of a head alone takes: forward, backward, SGD with momentum.

    Attributes:
        weights: bytes of its parameters; their gradient and momentum are as large each.
        steps_per_second: over the steps that were timed, each by itself.
        extra: bytes of the peak beyond weights, gradient and momentum; None on a CPU, where nothing tells the
            peak of one part of a process.
    """

    weights: int
    steps_per_second: Rate
    extra: int | None

    def to_json(self) -> dict[str, Any]:
        """All of it, and the median time of a step."""
        return dataclasses.asdict(self) | {"step_seconds": 1 / self.steps_per_second.median}


@dataclass(frozen=True)
class Classifier:
    """A head alone.

    Attributes:
        head: its name.
        identities: C.
        form: "plain" holds the matrix of all logits, "blocked" goes through it in blocks of identities, and
            "sampled" uses a share of `SAMPLE_RATE` of them, in either form.
        precision: "bf16" rounds the factors of the products, as `classifier_precision` of a recipe does.
        size: D, of an embedding.
        batch: embeddings of a step.
    """

    head: str
    identities: int
    form: Form
    precision: Precision = "fp32"
    size: int = 512
    batch: int = 512


def measure_classifier(what: Classifier, device: torch.device, steps: int = 5) -> ClassifierCost:
    """Take steps of a head with features and labels that are drawn.

    Args:
        steps: that are timed, after two that are not.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    torch.manual_seed(0)
    arguments: dict[str, Any] = {"sample_rate": SAMPLE_RATE} if what.form == "sampled" else {}
    with device:
        head = HEADS[what.head](what.size, what.identities, **arguments).train()
        features = torch.randn(what.batch, what.size, requires_grad=True)
        labels = torch.randint(what.identities, (what.batch,))
    head.factors = torch.bfloat16 if what.precision == "bf16" else None
    optimizer = make_optimizer(Optimizer(), [head])

    def step() -> None:
        optimizer.zero_grad()
        head(features, labels).loss.mean().backward()
        optimizer.step()

    with forced(what.form):
        for _ in range(2):
            step()
        rates = [1 / seconds(device, step) for _ in range(steps)]
    weights = sum(p.numel() * p.element_size() for p in head.parameters())
    peak = torch.cuda.max_memory_allocated(device) - 3 * weights if device.type == "cuda" else None
    return ClassifierCost(weights, Rate.of(rates), peak)


@contextmanager
def forced(form: Form) -> Iterator[None]:
    """Let heads take the plain or the blocked form whatever the size; "sampled" leaves them the choice."""
    limits = {"plain": 2**62, "blocked": 0, "sampled": other_identities.PLAIN_LIMIT}
    with mock.patch.object(other_identities, "PLAIN_LIMIT", limits[form]):
        yield
