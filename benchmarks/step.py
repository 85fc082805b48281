"""Training steps of nsface beside a plain loop, on the same faces, by turns.

    python benchmarks/step.py speed train-faces-112x96.tar [--network sphereface-20] [--compiled]
    python benchmarks/step.py check [--network sphereface-20]

`speed` compares nsface with what people write by hand: a DataLoader of two workers that decodes JPEG with
Pillow, an eager network in float32 in PyTorch's own format and with PyTorch's layers, cross entropy, SGD.
Both train with Softmax. Each way takes blocks of steps by turns; the table has the median, lowest and highest
images a second of the blocks. Set OMP_NUM_THREADS to compare with fewer threads. With `--processor-time` the
seconds are those that the process computes, all its threads together, which others on the machine disturb
less; give `--workers 0` then, since workers are other processes. Needs Pillow and, for `--compiled`, a C++
compiler.

`check` trains a few steps, compiled and not, and stops and resumes the compiled training. It ends with 1
unless the two agree up to rounding and the resumed one has the same bits.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from nsface.benchmark.arcface_style import with_own_prelu
from nsface.benchmark.generated import generated_labels, generated_loader
from nsface.benchmark.grid import hardware
from nsface.benchmark.side_by_side import Steps, by_turns, steps_of
from nsface.benchmark.timing import Rate
from nsface.images.batches.loader import Loader
from nsface.images.pixels import load_pixels
from nsface.images.sources import open_source
from nsface.ranks import ALONE
from nsface.recipe.schema import Recipe
from nsface.training.data import make_sampler
from nsface.training.run import make_trainer
from nsface.training.trainer import Trainer

CPU = torch.device("cpu")
NETWORKS = {
    "light-resnet": {"name": "light-resnet", "embedding_size": 256},
    "sphereface-20": {"name": "sphereface-20", "embedding_size": 512},
}
PLAIN = "plain loop, fp32"
IDENTITIES = 1384
# random labels say nothing, and a high rate would only make weights overflow
OPTIMIZER = {"learning_rate": 1e-3, "momentum": 0.9, "weight_decay": 5e-4}
STEPS = 4  # of `check`, half of them before it stops


@click.group()
def main() -> None:
    """Training steps of nsface beside a plain loop, and compiled beside eager ones."""


networks = click.option(
    "--network", "names", multiple=True, type=click.Choice(list(NETWORKS)), default=list(NETWORKS)
)


@main.command()
@click.argument("faces")
@networks
@click.option("--images", default=1024, show_default=True, help="How many of the faces.")
@click.option("--batch-size", default=64, show_default=True)
@click.option("--workers", default=2, show_default=True, help="Of the plain loop's DataLoader.")
@click.option("--compiled", is_flag=True, help="Time compiled steps too.")
@click.option("--pairs", default=5, show_default=True, help="Blocks of each way.")
@click.option("--seconds", default=120.0, show_default=True, help="For all blocks of a network.")
@click.option("--processor-time", is_flag=True, help="Count the seconds that the process computes.")
def speed(
    faces: str,
    names: tuple[str, ...],
    images: int,
    batch_size: int,
    workers: int,
    compiled: bool,
    pairs: int,
    seconds: float,
    processor_time: bool,
) -> None:
    """Print a table of images a second."""
    for key, value in hardware("cpu").items():
        click.echo(f"{key}: {value}")
    click.echo(f"batch: {batch_size}\n\n| network | way | images/s | range | × {PLAIN}, pairwise |")
    click.echo("|---|---|--:|---|--:|")
    source = open_source(faces)
    pixels = np.asarray(load_pixels(source, range(min(images, len(source))), 112, 96))
    labels = generated_labels(len(pixels), IDENTITIES, 0)
    clock = time.process_time if processor_time else None
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            files = write_images(Path(folder), pixels)
            every = all_ways(name, files, pixels, labels, batch_size, workers, compiled)
            ways = {way: lambda stack, steps=steps: steps for way, steps in every.items()}
            rates, errors = by_turns(CPU, ways, ExitStack(), batch_size, seconds, pairs, clock)
        if errors:
            raise click.ClickException("; ".join(f"{name}, {way}: {why}" for way, why in errors.items()))
        click.echo(table(name, rates))


def table(name: str, rates: dict[str, Rate]) -> str:
    """A row for each way of a network; the last column is the median over the turns."""
    rows = []
    for way, rate in rates.items():
        pairs = zip(rate.blocks, rates[PLAIN].blocks, strict=True)
        ratio = statistics.median(own / plain for own, plain in pairs)
        spread = f"{rate.lowest:.1f} to {rate.highest:.1f}"
        rows.append(f"| {name} | {way} | {rate.median:.1f} | {spread} | {ratio:.2f} |")
    return "\n".join(rows)


def write_images(folder: Path, pixels: npt.NDArray[np.uint8]) -> list[Path]:
    """JPEG files of the images, in their order."""
    files = [folder / f"{number:06}.jpg" for number in range(len(pixels))]
    for file, image in zip(files, pixels, strict=True):
        cv2.imwrite(str(file), image[..., ::-1])
    return files


def all_ways(
    name: str,
    files: list[Path],
    pixels: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    batch_size: int,
    workers: int,
    compiled: bool,
) -> dict[str, Steps]:
    """The steps of each way, by its name."""
    plain = Recipe.model_validate(settings(name) | {"batch_size": batch_size})
    ways = {PLAIN: plain_steps(plain, files, labels, workers)}
    for choice, what in (("off", ""), ("on", ", compiled"))[: 2 if compiled else 1]:
        for precision in ("fp32", "bf16"):
            recipe = plain.model_copy(update={"precision": precision, "compile": choice})
            loader = Loader(pixels, labels, make_sampler(recipe, labels), recipe.augmentation, 0, CPU)
            trainer = make_trainer(recipe, IDENTITIES, loader, CPU, ALONE)
            ways[f"nsface {precision}{what}"] = steps_of(trainer)
    return ways


def settings(name: str) -> dict[str, Any]:
    """The recipe of a run without an end."""
    return {
        "network": NETWORKS[name],
        "head": {"name": "softmax"},
        "optimizer": OPTIMIZER,
        "iterations": 1 << 30,
        "device": "cpu",
        "precision": "fp32",
    }


class Files(Dataset[tuple[Tensor, int]]):
    """Images in files, decoded by Pillow, half of them mirrored, normalised."""

    def __init__(self, files: list[Path], labels: npt.NDArray[np.int64]) -> None:
        self.files, self.labels = files, labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        with Image.open(self.files[index]) as image:
            pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float()
        if torch.rand(()) < 0.5:
            pixels = pixels.flip(2)
        return (pixels - 127.5) / 128, int(self.labels[index])


def plain_steps(recipe: Recipe, files: list[Path], labels: npt.NDArray[np.int64], workers: int) -> Steps:
    """Steps of the plain loop with the recipe's network, from files."""
    torch.manual_seed(0)
    network = with_own_prelu(recipe.network.build(recipe.input)).train()
    classifier = nn.Linear(recipe.network.embedding_size, IDENTITIES, bias=False)
    optimizer = torch.optim.SGD(
        [*network.parameters(), *classifier.parameters()],
        lr=recipe.optimizer.learning_rate,
        momentum=recipe.optimizer.momentum,
        weight_decay=recipe.optimizer.weight_decay,
    )
    loader = DataLoader(
        Files(files, labels),
        recipe.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    batches = endlessly(loader)

    def steps(count: int) -> None:
        for _ in range(count):
            images, identities = next(batches)
            loss = F.cross_entropy(classifier(network(images)), identities)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()

    return steps


def endlessly(loader: DataLoader[tuple[Tensor, int]]) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one epoch after the other."""
    while True:
        yield from loader


@main.command()
@networks
@click.option("--size", default=64, show_default=True, help="Height and width of the images.")
def check(names: tuple[str, ...], size: int) -> None:
    """Compare compiled with eager steps, and a resumed with an uninterrupted compiled training."""
    sound = True
    for name in names:
        for precision in ("fp32", "bf16"):
            make = partial(small, name, precision, size)
            eager, whole, first, second = (make(choice) for choice in ("off", "on", "on", "on"))
            for trainer in (eager, whole):
                list(trainer.run())
            steps = first.run()
            for _ in range(STEPS // 2):
                next(steps)
            second.restore(deepcopy(first.state()))
            list(second.run())
            states = [trainer.network.state_dict() for trainer in (eager, whole, second)]
            changed = distance(states[0], make("off").network.state_dict())
            apart = distance(states[1], states[0]) / changed
            same = all(torch.equal(tensor, states[2][key]) for key, tensor in states[1].items())
            sound &= same and apart < (0.01 if precision == "fp32" else 0.2)
            click.echo(
                f"{name}, {precision}: compiled in {whole.compile().seconds:.0f} s; after {STEPS} steps its "
                f"weights differ from the eager ones by {apart:.1e} of their change; resumed to the same "
                f"bits: {'yes' if same else 'no'}"
            )
    sys.exit(0 if sound else 1)


def small(name: str, precision: str, size: int, choice: str) -> Trainer:
    """A trainer of a few steps on generated images."""
    changes = {
        "input": {"height": size, "width": size},
        "batch_size": 8,
        "iterations": STEPS,
        "precision": precision,
        "compile": choice,
    }
    recipe = Recipe.model_validate(settings(name) | changes)
    loader = generated_loader(Loader, recipe, 16, 64, CPU)
    return make_trainer(recipe, 16, loader, CPU, ALONE)


def distance(state: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The L2 distance of all floating-point tensors of two states."""
    squares = [
        (tensor - other[key]).double().square().sum()
        for key, tensor in state.items()
        if tensor.is_floating_point()
    ]
    return float(torch.stack(squares).sum().sqrt())


if __name__ == "__main__":
    main()
