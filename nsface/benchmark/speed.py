"""The speed of a training, where its time goes, and how much of the device it uses."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from nsface.benchmark.generated import CASIA_IDENTITIES, CASIA_IMAGES, default_images, generated_loader
from nsface.benchmark.roofline import TRAINING, Roofline, measure_roofline
from nsface.benchmark.timing import Clock, Rate, seconds
from nsface.device import may_use_tf32, pick_device, pick_precision, tf32
from nsface.errors import RecipeError
from nsface.images.batches.loader import Loader
from nsface.networks.cost import LayerCost, layer_costs
from nsface.ranks import ALONE
from nsface.recipe.schema import Recipe
from nsface.training.peak_memory import peak_memory
from nsface.training.run import make_trainer

EPOCHS = 20  # of CASIA-WebFace, whose time is computed
PARTS = ("loader", "network", "head", "backward", "optimiser", "rest")
# generated images say nothing, and a high rate would only make weights overflow
LEARNING_RATE = 1e-3
_PAIRS = 5  # of blocks, with the loader and without it
_WARM_UP = {"cpu": 1, "cuda": 10}  # steps, after the first


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        recipe: the network, head, input, augmentation, batch, precision and device.
        identities: of the classifier.
        images: N, of the set; None: `default_images`.
        seconds: to measure for, after the warm-up.

    Raises:
        RecipeError: there are fewer images than a batch has.
    """

    recipe: Recipe
    identities: int = CASIA_IDENTITIES
    images: int | None = None
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.images is not None and self.images < self.recipe.batch_size:
            raise RecipeError(
                f"{self.images} images are fewer than a batch of {self.recipe.batch_size}; give more images, "
                "or a smaller batch_size"
            )

    def describe(self) -> dict[str, Any]:
        """What tells this setting from others."""
        recipe = self.recipe
        return {
            "network": recipe.network.name,
            "height": recipe.input.height,
            "width": recipe.input.width,
            "head": recipe.head.name,
            "precision": recipe.precision,
            "compile": recipe.compile,
            "batch_size": recipe.batch_size,
            "identities": self.identities,
        }


@dataclass(frozen=True)
class Measurement:
    """What was measured of a `Setting`.

    Attributes:
        images: N, of the set.
        pixels: bytes of its pixels, all in the memory of the device.
        images_per_second: of the whole training.
        without_loader: the same with one batch again and again, which is neither gathered nor augmented.
        compilation: whether the network was compiled, and why not where it was to be.
        first_step: seconds of the first step, with the compilation where there is one.
        steps: steps that were timed.
        parts: seconds of a step by part (`PARTS`), each a median; measured apart from the speed.
        operations: floating-point operations for an image: twice the multiply-adds, three times (forward, and
            backward by inputs and by weights), of the network and of the classifier.
        peak_memory: bytes: of the tensors on a CUDA device, with the pixels; on a CPU of the process.
        roofline: what the device gives.
        bound: images a second that the roofline allows, with products and copies at the measured rates.
    """

    images: int
    pixels: int
    images_per_second: Rate
    without_loader: Rate
    compilation: dict[str, Any]
    first_step: float
    steps: int
    parts: dict[str, float]
    operations: int
    peak_memory: int
    roofline: Roofline
    bound: float

    @property
    def loader_share(self) -> float:
        """The share of the time that would be saved if batches cost nothing; noise may put it below 0."""
        return 1 - self.images_per_second.median / self.without_loader.median

    @property
    def operations_per_second(self) -> float:
        return self.operations * self.images_per_second.median

    @property
    def utilisation(self) -> float | None:
        """The model's operations a second as a share of the published peak, if that is known."""
        published = self.roofline.published
        return None if published is None else self.operations_per_second / published

    @property
    def utilisation_of_reached(self) -> float:
        """The model's operations a second as a share of what plain products reach on this device."""
        return self.operations_per_second / self.roofline.reached

    @property
    def computed_minutes(self) -> float:
        """Minutes that `EPOCHS` epochs of CASIA-WebFace would take at this speed: arithmetic, not a run."""
        return EPOCHS * CASIA_IMAGES / self.images_per_second.median / 60

    def to_json(self) -> dict[str, Any]:
        derived = {
            "loader_share": self.loader_share,
            "operations_per_second": self.operations_per_second,
            "utilisation": self.utilisation,
            "utilisation_of_reached": self.utilisation_of_reached,
            "computed_minutes": self.computed_minutes,
        }
        return dataclasses.asdict(self) | derived


class _Loader(Loader):
    """A loader that marks when a batch is made, and that can give one batch again and again.

    Attributes:
        mark: called with "rest" before a batch is made, and with "loader" when it was.
        hold: whether the batch before is given again, in place of the next one.
    """

    mark: Callable[[str], object] = staticmethod(lambda part: None)
    hold = False
    _batch: tuple[Tensor, Tensor] | None = None

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        batches = super().epoch(epoch, first)
        for _ in range(first, self.batches_per_epoch):
            self.mark("rest")
            if self._batch is None or not self.hold:
                self._batch = next(batches)
            self.mark("loader")
            yield self._batch


def measure(setting: Setting) -> Measurement:
    """Train as `setting` says for a while, in this process, and measure it.

    Raises:
        RecipeError: the recipe's sampler cannot draw from so few identities.
        RuntimeError: as PyTorch raises it, also where memory does not suffice.
    """
    recipe = endless(setting.recipe)
    device = pick_device(recipe.device)
    found, layers, weights = _train(setting, recipe, device)
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what the training has used is free again
    allowed = may_use_tf32(recipe.precision, device)
    roofline = roofline_of(device, pick_precision(recipe.precision, device), allowed)
    return Measurement(
        operations=2 * TRAINING * sum(layer.multiply_adds for layer in layers),
        roofline=roofline,
        bound=recipe.batch_size / roofline.step_bound(layers, recipe.batch_size, weights),
        **found,
    )


def _train(
    setting: Setting, recipe: Recipe, device: torch.device
) -> tuple[dict[str, Any], list[LayerCost], int]:
    """What was timed, the layers that were trained, and the number of weights."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    images = setting.images or default_images(recipe, device)
    loader = generated_loader(_Loader, recipe, setting.identities, images, device)
    trainer = make_trainer(recipe, setting.identities, loader, device, ALONE)
    run = trainer.run()

    def steps(count: int) -> float:
        """Seconds of so many steps."""
        return seconds(device, lambda: [next(run) for _ in range(count)])

    first_step = steps(1)
    warm_up = _WARM_UP[device.type]
    once = steps(warm_up) / warm_up
    rates, rates_held, count = _alternately(loader, steps, 0.8 * setting.seconds, once, recipe.batch_size)
    clock = Clock(device)
    loader.mark = trainer.take_step.reached = clock.mark
    steps(max(3, min(50, round(0.2 * setting.seconds / once))))
    durations = clock.durations()
    found = {
        "images": images,
        "pixels": images * recipe.input.height * recipe.input.width * 3,
        "images_per_second": rates,
        "without_loader": rates_held,
        "compilation": trainer.compile().describe(),
        "first_step": first_step,
        "steps": count,
        "parts": {part: statistics.median(durations[part]) for part in PARTS},
        "peak_memory": peak_memory(device),
    }
    weights = sum(p.numel() for part in (trainer.network, trainer.head) for p in part.parameters())
    return found, costs(recipe, trainer.network, setting.identities), weights


@cache
def roofline_of(device: torch.device, dtype: torch.dtype, allowed: bool) -> Roofline:
    """The roofline of a device, with TF32 where it is `allowed`, measured once in a process."""
    with tf32(allowed, device):
        return measure_roofline(device, dtype)


def endless(recipe: Recipe, learning_rate: float = LEARNING_RATE) -> Recipe:
    """`recipe` for generated images: without its data and without an end, at a constant rate."""
    content = recipe.model_dump()
    for key in ("data", "cache", "streaming", "init", "freeze"):
        content[key] = None
    content |= {"exclude": [], "validate": [], "epochs": None, "iterations": 1 << 30, "schedule": {}}
    content["optimizer"]["learning_rate"] = learning_rate
    return Recipe.model_validate(content)


def costs(recipe: Recipe, network: nn.Module, identities: int) -> list[LayerCost]:
    """The layers of the network, and the classifier as one more.

    Where a head samples identities, the classifier has so many multiply-adds as it uses identities.
    """
    rate = float(recipe.head.arguments.get("sample_rate", 1))
    used, size = math.ceil(rate * identities), recipe.network.embedding_size
    layers = layer_costs(network, recipe.input.height, recipe.input.width)
    return [*layers, LayerCost(size * used, size, used)]


def _alternately(
    loader: _Loader, steps: Callable[[int], float], budget: float, once: float, batch: int
) -> tuple[Rate, Rate, int]:
    """Images a second with the loader and without it, in blocks by turns, and the number of steps with it.

    Other work on the machine hits both alike.

    Args:
        steps: takes so many steps, and returns their seconds.
        budget: seconds for all of it; three pairs of single steps are made in any case.
        once: seconds of a step.
    """
    length = max(1, math.floor(budget / (2 * _PAIRS * once)))
    rates: dict[bool, list[float]] = {False: [], True: []}
    end = time.perf_counter() + budget
    while len(rates[True]) < 3 or (len(rates[True]) < _PAIRS and time.perf_counter() < end):
        for loader.hold in (False, True):
            rates[loader.hold].append(length * batch / steps(length))
    loader.hold = False
    return Rate.of(rates[False]), Rate.of(rates[True]), length * len(rates[False])
