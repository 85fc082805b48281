"""Checks of what is computed: networks, heads and the classifier against float64 or another form."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nsface.arguments import own_arguments
from nsface.auxiliary import AUXILIARY
from nsface.benchmark.classifier import Form, forced
from nsface.benchmark.gpu.frame import each
from nsface.benchmark.gpu.place import Found, Place, compared
from nsface.device import tf32
from nsface.heads import HEADS, DisturbLabel, Head
from nsface.heads.noise import Noise
from nsface.networks import build
from nsface.networks.soundness import without_dropout
from nsface.recipe.sections import Optimizer
from nsface.training.optimizer import make_optimizer

GIB = 2**30
# Relative L2 error of a network's embeddings, and of the gradient of all its weights. Sound kernels reach, on
# CPUs and on GPUs, two thirds of these, with the few images and small maps of this check (vgg-cifar in
# bfloat16); a gradient that has nothing to do with the right one is off by about 1.4.
NETWORK_TOLERANCES = {"fp32": (1e-4, 2e-2), "tf32": (2e-2, 0.3), "bf16": (0.15, 0.9)}
# The same of a head's losses, and of its gradients by features (which are bfloat16 there) and class weights.
HEAD_TOLERANCES = {"fp32": (1e-4, 1e-3), "bf16": (1e-4, 1e-2)}
FORMS: tuple[Form, ...] = ("plain", "blocked")
MOST_EXTRA = 2 * GIB  # of memory, beyond weights, gradient and momentum, at a million identities


def networks(place: Place, found: Found) -> None:
    """Forward and backward pass of every network against float64 on the CPU."""

    def one(name: str) -> Found:
        torch.manual_seed(0)
        height, width = place.scale.images
        network = without_dropout(build(name, height=height, width=width, embedding_size=8)).train()
        images, classifier = torch.rand(8, 3, height, width) * 2 - 1, torch.randn(5, 8)
        doubled = deepcopy(network).double()
        exact = passed(doubled, doubled, images.double(), classifier.double())
        result: Found = {}
        for precision, (embeddings, gradients) in NETWORK_TOLERANCES.items():
            there = deepcopy(network).to(place.device).to(memory_format=torch.channels_last)
            last = images.to(place.device).contiguous(memory_format=torch.channels_last)
            with (
                tf32(precision != "fp32", place.device),
                torch.autocast(place.device.type, torch.bfloat16, precision == "bf16"),
            ):
                mine = passed(there, there, last, classifier.to(place.device))
            result[precision] = compared(mine, exact, {"embeddings": embeddings, "gradients": gradients})
        return result

    each(found, {name: partial(one, name) for name in place.scale.networks})


def passed(
    network: nn.Module, embed: Callable[[Tensor], Tensor], images: Tensor, classifier: Tensor
) -> dict[str, list[Tensor]]:
    """Embeddings, by `embed`, and the gradients of all weights of `network`, under a softmax loss."""
    embeddings = embed(images).to(classifier.dtype)
    labels = torch.arange(len(images), device=images.device) % len(classifier)
    torch.autograd.backward(F.cross_entropy(embeddings @ classifier.T, labels))
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    return {"embeddings": [embeddings], "gradients": gradients}


def heads(place: Place, found: Found) -> None:
    """Losses and gradients of every head, in both forms of the classifier, and of every auxiliary loss."""

    def one(module: nn.Module, precision: str, classifier_form: Form) -> Found:
        torch.manual_seed(1)
        features = torch.randn(12, 16).to(torch.bfloat16 if precision == "bf16" else torch.float32)
        labels = torch.arange(12) % 5

        def passed(module: nn.Module, features: Tensor, labels: Tensor) -> dict[str, list[Tensor]]:
            features.requires_grad_()
            output = module(features, labels)
            losses = output.loss if isinstance(module, Head) else output
            losses.sum().backward()
            weights = [p.grad for p in module.parameters() if p.grad is not None]
            return {"losses": [losses], "gradients": [g for g in (features.grad, *weights) if g is not None]}

        with given_draws():
            with forced("plain"):
                exact = passed(deepcopy(module).double(), features.double(), labels)
            with forced(classifier_form):
                there, places = features.to(place.device), labels.to(place.device)
                mine = passed(deepcopy(module).to(place.device), there, places)
        losses, gradients = HEAD_TOLERANCES[precision]
        return compared(mine, exact, {"losses": losses, "gradients": gradients})

    modules: dict[str, nn.Module] = {}
    for name, kind in HEADS.items():
        torch.manual_seed(0)
        noise: Found = {"alpha2": 0.3} if "alpha2" in own_arguments(kind) else {}
        head = kind(16, 9, **noise)
        nn.init.normal_(head.weight)
        head.advance(3, 10)
        modules[name] = head.train()
    modules |= {name: loss(16, 9, weight=1.0) for name, loss in AUXILIARY.items()}
    for precision in HEAD_TOLERANCES:
        for classifier_form in FORMS:
            jobs = {
                name: partial(one, module, precision, classifier_form) for name, module in modules.items()
            }
            each(found.setdefault(f"{precision}, {classifier_form}", {}), jobs)


@contextmanager
def given_draws() -> Iterator[None]:
    """Give heads their random numbers, which a GPU draws otherwise than a CPU."""

    def noise(self: Noise, like: Tensor, generator: object) -> Tensor:
        return torch.linspace(0.1, 2, len(like), dtype=like.dtype, device=like.device)

    def disturbed(self: DisturbLabel, labels: Tensor) -> Tensor:
        return torch.where(torch.arange(len(labels), device=labels.device) % 4 == 1, 8, labels)

    with mock.patch.object(Noise, "_draw", noise), mock.patch.object(DisturbLabel, "disturbed", disturbed):
        yield


def classifier(place: Place, found: Found) -> None:
    """Steps of the classifier in blocks: its memory beyond weights, gradient and momentum, and its losses."""
    identities, size, batch = place.scale.classes

    def one(name: str) -> Found:
        torch.manual_seed(0)
        with place.device:
            head = HEADS[name](size, identities).train()
            features = torch.randn(batch, size, requires_grad=True)
            labels = torch.randint(identities, (batch,))
        weights = sum(p.numel() * p.element_size() for p in head.parameters())
        with torch.no_grad(), forced("plain"):
            plain = head(features, labels).loss
        optimizer = make_optimizer(Optimizer(), [head])
        losses, seconds = [], []
        with forced("blocked"):
            if place.cuda:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            for _ in range(3):
                start = time.perf_counter()
                optimizer.zero_grad()
                output = head(features, labels).loss
                output.mean().backward()
                optimizer.step()
                losses.append(output.detach())
                if place.cuda:
                    torch.cuda.synchronize()
                seconds.append(time.perf_counter() - start)
        off = float((losses[0] - plain).norm() / plain.norm())
        result: Found = {"weights": weights, "seconds": seconds, "off_plain": off, "tolerance": 1e-5}
        if not off <= 1e-5:
            result["error"] = "other losses than those of the plain form"
        if place.cuda:  # on a CPU nothing tells the peak of one part of a process
            result |= {"extra": torch.cuda.max_memory_allocated() - 3 * weights, "most_extra": MOST_EXTRA}
            if result["extra"] > MOST_EXTRA:
                result["error"] = f"{result['extra'] / GIB:.2f} GiB beyond weights, gradient and momentum"
        return result

    each(found, {name: partial(one, name) for name in ("softmax", "arcface")})
