"""The time that a training loses by saving its state, where it waits for the disk and where it goes on.

    python benchmarks/saving.py --out runs/saving

Takes steps with generated images on the CPU, by the recipes lfw-small (1,449 identities) and casia-softmax
(10,572 identities, 64 images a step), and saves the state in between: in the foreground and in the
background, by turns. What is lost is the time of the save and of the steps after it, less as many times the
median step without a save.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from nsface.benchmark.generated import generated_labels, generated_pixels
from nsface.images.batches.loader import Loader
from nsface.images.batches.sampling import Shuffled
from nsface.ranks import ALONE
from nsface.recipe.schema import Recipe, load_recipe
from nsface.run_folder import RunFolder
from nsface.training import host_copy
from nsface.training.log import Log
from nsface.training.run import describe_model, make_trainer
from nsface.training.saving import Saver
from nsface.training.trainer import Trainer
from nsface.training.validation import Validator

RECIPES = {"lfw-small": 1449, "casia-softmax": 10572}
BATCH, IMAGES = 64, 512
SETTINGS = {
    "device": "cpu",
    "batch_size": BATCH,
    "checkpoint_minutes": None,
    "optimizer.learning_rate": 1e-3,  # generated images say nothing, and weights must not overflow
    "log_every": 1 << 30,
}
CPU = torch.device("cpu")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure as the arguments say, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="new folder, on the disk to measure")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="after each save, which are timed with it")
    options = parser.parse_args(arguments)
    print("| recipe | state, MB | step, ms | saved in the | save returns after, ms | lost in all, ms |")
    print("|---|---|---|---|---|---|")
    for name in options.recipes:
        recipe = load_recipe(name, SETTINGS)
        run = RunFolder(options.out / name)
        size, step, costs = measured(recipe, RECIPES[name], run, options.repeats, options.steps)
        for way, cost in costs.items():
            cells = [
                name,
                f"{size / 1e6:.1f}",
                f"{1000 * step:.0f}",
                way,
                spread(cost.returned),
                spread(cost.lost),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


def spread(seconds: list[float]) -> str:
    """Median and range in milliseconds."""
    low, middle, high = (1000 * f(seconds) for f in (min, statistics.median, max))
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


@dataclass
class Cost:
    """Of each save, the seconds after which it returned, and those that were lost in all."""

    returned: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)


def measured(
    recipe: Recipe, identities: int, run: RunFolder, repeats: int, steps: int
) -> tuple[int, float, dict[str, Cost]]:
    """The bytes of the state, the seconds of a step, and what saving costs, by the way of saving."""
    run.checkpoints.mkdir(parents=True)
    run.write_environment({})
    labels = generated_labels(IMAGES, identities, recipe.seed)
    pixels = generated_pixels(labels, recipe.input.height, recipe.input.width, CPU, recipe.seed).numpy()
    loader = Loader(
        pixels, labels, Shuffled(IMAGES, BATCH, recipe.seed), recipe.augmentation, recipe.seed, CPU
    )
    trainer = make_trainer(recipe, identities, loader, CPU, ALONE)
    taken = trainer.run()
    for _ in range(3):
        next(taken)
    names = [str(number) for number in range(identities)]
    costs = {"foreground": Cost(), "background": Cost()}
    plain = []
    with Log(run, trainer.step, ALONE) as log:
        savers = {way: saver_of(trainer, run, log, names, way) for way in costs}
        for _ in range(repeats):
            for way, saver in savers.items():
                plain += [seconds_of(lambda: next(taken)) for _ in range(steps)]
                costs[way].returned.append(seconds_of(saver.save))
                later = sum(seconds_of(lambda: next(taken)) for _ in range(steps))
                costs[way].lost.append(costs[way].returned[-1] + later)
                saver.finish()
    step = statistics.median(plain)
    for cost in costs.values():
        cost.lost = [seconds - steps * step for seconds in cost.lost]
    return run.latest_checkpoint.stat().st_size, step, costs


def saver_of(trainer: Trainer, run: RunFolder, log: Log, identities: list[str], way: str) -> Saver:
    """A saver that writes in the foreground or in the background, which its first save has decided."""
    validator = Validator(trainer, run, [], describe_model(trainer.recipe, len(identities)))
    saver = Saver(trainer, run, log, identities, validator)
    share = host_copy.SHARE
    host_copy.SHARE = 0.0 if way == "foreground" else 1.0
    saver.save()
    saver.finish()
    host_copy.SHARE = share
    return saver


def seconds_of(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
