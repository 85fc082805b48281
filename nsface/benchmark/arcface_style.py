"""A training step as public training code for face recognition takes it: the peer that nsface is timed with.

It follows what arcface_torch, of InsightFace, does when it is given synthetic images, written from its
description and from the paper on partial classes (https://arxiv.org/abs/2010.05222): worker processes that
collate ready images, an eager network in contiguous memory under autocast (float16 with a gradient scaler on
CUDA), the whole matrix of cosines, gradients of the network clipped to a norm of 5, SGD with weight decay on
all parameters, and the loss read after every step. PyTorch's own PReLU is in place of nsface's. One thing
makes this peer faster than that code: it exchanges no gradients with itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.data import DataLoader, Dataset

from nsface.benchmark.generated import CASIA_IMAGES
from nsface.errors import RecipeError, joined
from nsface.networks.prelu import PReLU
from nsface.preprocessing import Preprocessing
from nsface.private_torch import end_workers
from nsface.recipe.schema import Recipe
from nsface.training.build import build_head
from nsface.weightless import weightless

CLIP_NORM = 5.0
WORKERS = 2
Margin = Callable[[Tensor], Tensor]


def arcface_margin(margin: float) -> Margin:
    """cos θ → cos(θ + m), and cos θ − m sin m where θ + m > π; every tensor of shape (B,)."""

    def changed(cosine: Tensor) -> Tensor:
        sine = (1 - cosine.square()).clamp_min(0).sqrt()
        added = cosine * math.cos(margin) - sine * math.sin(margin)
        return torch.where(cosine > -math.cos(margin), added, cosine - margin * math.sin(margin))

    return changed


def cosface_margin(margin: float) -> Margin:
    """cos θ → cos θ − m."""
    return lambda cosine: cosine - margin


MARGINS = {"arcface": arcface_margin, "cosface": cosface_margin}


class PartialClasses(nn.Module):
    """The mean loss of features, under cosines to all identities or to a random sample of them.

    A sample has the identities of the batch, and others that are drawn.

    Args:
        size: D.
        identities: C.
        margin: the change of the target's cosine.
        scale: s > 0.
        sample_rate: the share of the identities in a sample, in (0, 1]; 1 is all of them.
        dtype: the type in which cosines are computed.
    """

    def __init__(
        self,
        size: int,
        identities: int,
        margin: Margin,
        scale: float,
        sample_rate: float,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.01 * torch.randn(identities, size))
        self.margin, self.scale, self.dtype = margin, scale, dtype
        self.sampled = math.ceil(sample_rate * identities)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        weight: Tensor = self.weight
        if self.sampled < len(weight):
            chosen = self.sample(labels)
            weight, labels = weight[chosen], torch.searchsorted(chosen, labels)
        with torch.autocast(features.device.type, self.dtype, enabled=self.dtype != torch.float32):
            cosines = F.linear(F.normalize(features), F.normalize(weight))
        cosines = cosines.float().clamp(-1, 1)
        own = torch.arange(len(labels), device=labels.device), labels
        cosines[own] = self.margin(cosines[own])
        loss: Tensor = _CrossEntropy.apply(cosines * self.scale, labels)
        return loss

    @torch.no_grad()
    def sample(self, labels: Tensor) -> Tensor:
        """The identities of a sample, in ascending order, with all of `labels` among them."""
        draws = torch.rand(len(self.weight), device=labels.device)
        own = labels.unique()
        draws[own] = 2.0
        return draws.topk(max(self.sampled, len(own))).indices.sort().values


def with_own_prelu(network: nn.Module) -> nn.Module:
    """`network`, changed: with PyTorch's PReLU in every place of nsface's, whose numbers are the same."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, PReLU):
                setattr(module, name, nn.PReLU(child.num_parameters))
    return network


def partial_classes(recipe: Recipe, identities: int, dtype: torch.dtype) -> PartialClasses:
    """The partial classes that compute the loss of the recipe's head.

    Raises:
        RecipeError: the head is none of `MARGINS`.
    """
    if recipe.head.name not in MARGINS:
        raise RecipeError(f"head: the peer has {joined(list(MARGINS))}, not {recipe.head.name}")
    with weightless():
        head: Any = build_head(recipe, identities)
    margin = MARGINS[recipe.head.name](head.margin)
    size = recipe.network.embedding_size
    return PartialClasses(size, identities, margin, head.scale, head.sample_rate, dtype)


class _CrossEntropy(torch.autograd.Function):
    """The mean cross entropy; probabilities take the place of the logits, and their gradient that of both."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        shifted = logits.sub_(logits.amax(dim=1, keepdim=True))
        own = shifted.gather(1, labels[:, None])
        probabilities = shifted.exp_()
        total = probabilities.sum(dim=1, keepdim=True)
        ctx.save_for_backward(probabilities.div_(total), labels)
        return (total.log() - own).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        probabilities, labels = ctx.saved_tensors
        probabilities[torch.arange(len(labels), device=labels.device), labels] -= 1
        return probabilities.mul_(gradient / len(labels)), None


class ReadyImages(Dataset[tuple[Tensor, int]]):
    """Images that are already normalised, float32 3 × H × W, again and again, as many as CASIA-WebFace has.

    Args:
        pixels: uint8, K × H × W × 3, in host memory.
        labels: int64, of shape (K,).
    """

    def __init__(self, pixels: Tensor, labels: npt.NDArray[np.int64], images: Preprocessing) -> None:
        self._images = images.normalise(pixels.permute(0, 3, 1, 2).float()).contiguous()
        self._labels = labels.tolist()

    def __len__(self) -> int:
        return CASIA_IMAGES

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        place = index % len(self._labels)
        return self._images[place], self._labels[place]


class ArcfaceStyle:
    """A network and partial classes in training, on one device.

    Args:
        recipe: the network, head (`MARGINS`), input, batch and optimiser.
        identities: C.
        dataset: what worker processes collate batches of.
        dtype: of autocast; float32 is without it, float16 with a gradient scaler.

    It is a context manager: on leaving, worker processes end.
    """

    def __init__(
        self, recipe: Recipe, identities: int, dataset: ReadyImages, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.device, self.dtype = device, dtype
        self.network = with_own_prelu(recipe.network.build(recipe.input)).to(device).train()
        self.classes = partial_classes(recipe, identities, dtype).to(device)
        settings = recipe.optimizer
        self.optimizer = torch.optim.SGD(
            [{"params": self.network.parameters()}, {"params": self.classes.parameters()}],
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        self.scaler = torch.amp.GradScaler(device.type, growth_interval=100, enabled=dtype == torch.float16)
        self.loader = DataLoader(
            dataset,
            batch_size=recipe.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=WORKERS,
            pin_memory=device.type == "cuda",
            persistent_workers=True,
        )

    def __enter__(self) -> ArcfaceStyle:
        return self

    def __exit__(self, *_: object) -> None:
        end_workers(self.loader)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches on the device without an end; on CUDA the next one is copied while one is used."""
        while True:
            if self.device.type == "cuda":
                yield from _copied_ahead(iter(self.loader), self.device)
            else:
                yield from self.loader

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of normalised images."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            features = self.network(images)
        loss: Tensor = self.classes(features.float(), labels)
        return loss

    def step(self, images: Tensor, labels: Tensor) -> float:
        """Take a step; returns its loss, for which the device is waited for."""
        loss = self.loss(images, labels)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        return loss.item()


def _copied_ahead(
    batches: Iterator[tuple[Tensor, Tensor]], device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    stream = torch.cuda.Stream(device)

    def copied() -> tuple[Tensor, ...] | None:
        batch = next(batches, None)
        with torch.cuda.stream(stream):
            return None if batch is None else tuple(t.to(device, non_blocking=True) for t in batch)

    ahead = copied()
    while ahead is not None:
        torch.cuda.current_stream(device).wait_stream(stream)
        images, labels = ahead
        for tensor in ahead:
            tensor.record_stream(torch.cuda.current_stream(device))
        ahead = copied()
        yield images, labels
