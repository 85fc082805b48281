"""Training steps of nsface and of a peer by turns, on the same device, and whether they compute the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nsface.benchmark.apart import one_line
from nsface.benchmark.arcface_style import CLIP_NORM, ArcfaceStyle, ReadyImages
from nsface.benchmark.generated import default_images, generated_labels, generated_pixels
from nsface.benchmark.speed import Setting, endless
from nsface.benchmark.timing import Rate, seconds
from nsface.device import pick_device, tf32
from nsface.images.batches.loader import Loader
from nsface.ranks import ALONE
from nsface.recipe.schema import Recipe
from nsface.training.data import make_sampler
from nsface.training.run import make_trainer
from nsface.training.trainer import Trainer

READY = 1024  # images that the peer has ready in host memory
PEER_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Steps = Callable[[int], object]  # takes so many training steps


@dataclass(frozen=True)
class Agreement:
    """How far the losses of one batch and the gradients of all weights are apart, relative L2 differences."""

    loss: float
    gradient: float

    @property
    def close(self) -> bool:
        """Whether only rounding can tell them apart; it adds up in the gradients of deep networks."""
        return self.loss < 1e-4 and self.gradient < 1e-2


@dataclass(frozen=True)
class Comparison:
    """Images a second of each way to train, in blocks by turns; an error in place of a way that failed.

    Attributes:
        agreement: of the peer with nsface, both in float32, before anything is timed.
        rates: by way: "nsface bf16", "nsface bf16, compile: off", "arcface-style fp16".
        errors: why a way has no rate, in one line each.
    """

    agreement: Agreement
    rates: dict[str, Rate]
    errors: dict[str, str]

    def ratio(self, way: str, peer: str) -> float | None:
        """How many times as fast `way` is as `peer`; None where one has no rate."""
        if way not in self.rates or peer not in self.rates:
            return None
        return self.rates[way].median / self.rates[peer].median

    def to_json(self) -> dict[str, Any]:
        ways = [way for way in self.rates if way.startswith("nsface")]
        peers = [way for way in self.rates if not way.startswith("nsface")]
        return dataclasses.asdict(self) | {
            "ratios": {f"{way} / {peer}": self.ratio(way, peer) for way in ways for peer in peers}
        }


def compare(setting: Setting, own: Sequence[Recipe], peers: Sequence[str], pairs: int = 5) -> Comparison:
    """Time steps of nsface and of the peer by turns.

    Args:
        setting: the network, head, batch and device of all; its seconds are shared by all ways.
        own: recipes for nsface, which differ from that of `setting` in its precision or compilation.
        peers: precisions of the peer, of `PEER_TYPES`.
        pairs: blocks of each way.
    """
    recipe = clipped(setting.recipe)
    device = pick_device(recipe.device)
    labels = generated_labels(setting.images or default_images(recipe, device), setting.identities, 0)
    pixels = generated_pixels(labels, recipe.input.height, recipe.input.width, device, 0)
    ready = ReadyImages(pixels[:READY].cpu(), labels[:READY], recipe.input)
    found = agreement(recipe, setting.identities, pixels[: recipe.batch_size], labels[: recipe.batch_size])
    ways: dict[str, Callable[[ExitStack], Steps]] = {}
    for one in own:

        def begin(stack: ExitStack, one: Recipe = one) -> Steps:
            loader = Loader(pixels, labels, make_sampler(one, labels), one.augmentation, 0, device)
            return steps_of(make_trainer(clipped(one), setting.identities, loader, device, ALONE))

        ways[way_of(one)] = begin
    for name in peers:

        def begin_peer(stack: ExitStack, dtype: torch.dtype = PEER_TYPES[name]) -> Steps:
            return steps_of_peer(
                stack.enter_context(ArcfaceStyle(recipe, setting.identities, ready, device, dtype))
            )

        ways[f"arcface-style {name}"] = begin_peer
    with ExitStack() as stack:
        rates, errors = by_turns(device, ways, stack, recipe.batch_size, setting.seconds, pairs)
    return Comparison(found, rates, errors)


def way_of(recipe: Recipe) -> str:
    """What a way of nsface to train is called."""
    compiled = "" if recipe.compile == "auto" else f", compile: {recipe.compile}"
    return f"nsface {recipe.precision}{compiled}"


def clipped(recipe: Recipe) -> Recipe:
    """`recipe` for generated images, with gradients clipped as the peer clips those of the network."""
    made = endless(recipe)
    return made.model_copy(update={"optimizer": made.optimizer.model_copy(update={"clip_norm": CLIP_NORM})})


def steps_of(trainer: Trainer) -> Steps:
    """The steps of a trainer of nsface."""
    run = trainer.run()
    return lambda count: [next(run) for _ in range(count)]


def steps_of_peer(peer: ArcfaceStyle) -> Steps:
    """The steps of the peer, with the choice of kernels that it makes."""
    batches = peer.batches()

    def steps(count: int) -> None:
        with kernels_tried():
            for _ in range(count):
                peer.step(*next(batches))

    return steps


@contextmanager
def kernels_tried() -> Iterator[None]:
    """Let cuDNN try all its kernels for each new shape."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def by_turns(
    device: torch.device,
    ways: Mapping[str, Callable[[ExitStack], Steps]],
    stack: ExitStack,
    batch: int,
    budget: float,
    pairs: int,
    clock: Callable[[], float] | None = None,
) -> tuple[dict[str, Rate], dict[str, str]]:
    """Images a second of each way, as by `seconds`, and why others have none.

    Each way takes a few steps first. Then all take blocks of steps by turns, each block for about the same
    share of the `budget` of seconds, and at least one step. A way that fails has no rate, whenever it does.
    """

    def spent(steps: Steps, count: int) -> float:
        return seconds(device, lambda: steps(count), clock)

    begun: dict[str, tuple[Steps, int]] = {}
    errors: dict[str, str] = {}
    for name, begin in ways.items():
        try:
            steps = begin(stack)
            steps(3 if device.type == "cuda" else 1)
            begun[name] = steps, max(1, int(budget / (len(ways) * pairs * spent(steps, 1))))
        except Exception as error:  # whatever it is, others need not have it
            errors[name] = one_line(error)
    rates: dict[str, list[float]] = {name: [] for name in begun}
    for _ in range(pairs):
        for name, (steps, count) in begun.items():
            if name in errors:
                continue
            try:
                rates[name].append(count * batch / spent(steps, count))
            except Exception as error:
                errors[name] = one_line(error)
    return {name: Rate.of(values) for name, values in rates.items() if name not in errors}, errors


def agreement(recipe: Recipe, identities: int, pixels: Tensor, labels: Any) -> Agreement:
    """How far the peer is from nsface in the loss and gradient of a batch, in float32, from equal weights.

    Args:
        recipe: with a head that uses all identities: samples would differ.
        pixels: uint8, B × H × W × 3, on the device.
        labels: int64, of shape (B,).
    """
    content = recipe.model_dump() | {"precision": "fp32", "augmentation": {"mirror": False}, "compile": "off"}
    content["optimizer"]["clip_norm"] = None
    content["head"].pop("sample_rate", None)
    exact = Recipe.model_validate(content)
    device = pixels.device
    sampler = make_sampler(exact, labels)
    loader = Loader(pixels, labels, sampler, exact.augmentation, 0, device)
    trainer = make_trainer(exact, identities, loader, device, ALONE)
    ready = ReadyImages(pixels.cpu(), labels, exact.input)
    with (
        tf32(False, device),
        ArcfaceStyle(exact, identities, ready, device, torch.float32) as peer,
    ):
        peer.network.load_state_dict(trainer.network.state_dict())
        peer.classes.load_state_dict({"weight": trainer.head.weight.detach()})
        images, there = next(iter(loader.epoch(0)))
        loss = peer.loss(exact.input.normalise(images).contiguous(), there)
        torch.autograd.backward(loss)
        taken = trainer.take_step(images, there)
    own, mean = gradients(trainer.network, trainer.head), taken.output.loss.detach().mean()
    difference = gradients(peer.network, peer.classes) - own
    return Agreement(float((loss.detach() - mean).abs() / mean), float(difference.norm() / own.norm()))


def gradients(*parts: nn.Module) -> Tensor:
    """The gradients of all parameters in one float64 vector."""
    found = [p.grad for part in parts for p in part.parameters() if p.grad is not None]
    return torch.cat([gradient.double().flatten() for gradient in found])
