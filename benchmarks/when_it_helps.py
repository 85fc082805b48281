"""When Noisy Softmax helps: small trainings on parts of CIFAR-10, with one thing changed at a time.

    python benchmarks/when_it_helps.py cifar10-jpeg.tar --out runs/when

The network has 8 channels at first. As a rule it is trained with 500 images of each class for 1,500 steps, 38
passes, so that Softmax fits them; `VARIANTS` are the changes. Every training is an ordinary run below --out.
The same command goes on where it was stopped, and writes `when.json` and `when.md` of all that has ended.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from nsface.files import replacing, write_text
from nsface.images.sources import open_source
from nsface.metrics.statistics import paired_folds
from nsface.reproduce.arms import ARMS, BASELINE, BIAS, Arm
from nsface.reproduce.face_page import markdown_table
from nsface.reproduce.jobs import Job, jobs_of, train_all
from nsface.reproduce.outcomes import Outcome, interval_text, mean_and_std, points, read_outcomes
from nsface.reproduce.running import where

TWO = (BASELINE, "noisy-0.1")
USUAL = 500  # images of a class
STEPS = 1500
SMALL = {"network.channels": 8, "network.embedding_size": 64, "iterations": STEPS, "test_every": 10.0}


@dataclass(frozen=True)
class Variant:
    """What is changed, for all of its arms alike.

    Attributes:
        changes: of the recipe, by dotted key.
        arms: keys of `ARMS`.
        images: of each class.
        bias: whether the classifier has one.
        seeds: 0, 1, …, so many.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    arms: tuple[str, ...] = TWO
    images: int = USUAL
    bias: bool = True
    seeds: int = 3


VARIANTS = {
    "as a rule": Variant(seeds=6),
    "50,000 training images": Variant(images=5000),
    "10,000 training images": Variant(images=1000),
    "other arms": Variant(
        arms=(
            *("noisy-0.5", "label-smoothing", "per-batch", "free", "gradient-decay-0.1", "disturb-label"),
            *("l-softmax", "noisy-1", "noisy-0.05", "normal", "amplitude"),
        )
    ),
    "mirrored and shifted images": Variant(
        {"augmentation.mirror": True, "augmentation.shift": 4, "augmentation.padding": "zero"}
    ),
    "three times as many steps": Variant({"iterations": 3 * STEPS}),
    "no bias": Variant(bias=False),
    "weight decay 0": Variant({"optimizer.weight_decay": 0.0}),
    "learning rate 0.02": Variant({"optimizer.learning_rate": 0.02}),
    "16 features": Variant({"network.embedding_size": 16}),
    "noisy activations": Variant(arms=("tanh", "nan-tanh", "nah-tanh")),
    "2,500 training images": Variant(images=250),
    "25,000 training images": Variant(images=2500),
    "a third of the steps": Variant({"iterations": STEPS // 3}),
    "256 features": Variant({"network.embedding_size": 256}),
    "weight decay 0.002": Variant({"optimizer.weight_decay": 2e-3}),
    "16 channels": Variant({"network.channels": 16}),
}


def part(data: Path, images: int, out: Path) -> Path:
    """A tar with the first `images` training images of each class of `data`, and all test images."""
    if out.exists():
        return out
    source, seen = open_source(str(data)), Counter[str]()
    with replacing(out) as temporary, tarfile.open(temporary, "w") as archive:
        for index, name in enumerate(source.names):
            folder = name.rsplit("/", 1)[0]
            seen[folder] += 1
            if not folder.startswith("train/") or seen[folder] <= images:
                member, content = tarfile.TarInfo(name), source.read(index)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return out


def jobs(variant: Variant, out: Path, data: Path) -> list[Job]:
    """The trainings of a variant."""
    known = ARMS if variant.bias else {name: _without_bias(arm) for name, arm in ARMS.items()}
    changes = {**SMALL, **variant.changes}
    return jobs_of("cifar10", changes, variant.arms, range(variant.seeds), out, {"data": str(data)}, known)


def _without_bias(arm: Arm) -> Arm:
    return replace(arm, changes={**arm.changes, **dict.fromkeys(BIAS.keys() & arm.changes.keys(), False)})


def row(arm: str, own: list[Outcome], baseline: list[Outcome]) -> dict[str, Any]:
    """An arm of a variant: its errors, calibration and gradient, and errors less those of its baseline."""
    errors, others = by_seed(own), by_seed(baseline)
    last = [one.log[-1] for one in own if one.measures is not None]
    found: dict[str, Any] = {
        "arm": ARMS[arm].title,
        "error": errors,
        "training_error": float(np.mean([1 - line["accuracy"] for line in last])),
        "ece": float(np.mean([one.measures["ece"] for one in own if one.measures is not None])),
        "gradient": float(np.mean([line["gradient"] for line in last])),
    }
    both = sorted(errors.keys() & others.keys())
    if own is not baseline and len(both) > 1:
        test = paired_folds([errors[seed] for seed in both], [others[seed] for seed in both])
        found |= {"difference": test.difference, "interval": test.confidence_interval, "p": test.p_value}
    return found


def by_seed(outcomes: list[Outcome]) -> dict[int, float]:
    """The test errors after the last step, of trainings that have not diverged."""
    return {one.seed: one.measures["error"] for one in outcomes if one.measures is not None}


def table(found: Mapping[str, list[dict[str, Any]]]) -> str:
    """All rows in Markdown, in per cent and points."""
    titles = "changed, arm, seeds, test error, difference, 95 %, p, training error, ECE, gradient"
    rows = [titles.split(", ")]
    for name, arms in found.items():
        for one in arms:
            errors, test = one["error"], ["", "", ""]
            if "difference" in one:
                test = [points(one["difference"]), interval_text(one["interval"]), f"{one['p']:.2g}"]
            rest = [f"{100 * one['training_error']:.2f}", f"{100 * one['ece']:.1f}", f"{one['gradient']:.3f}"]
            rows.append([name, one["arm"], str(len(errors)), mean_and_std(errors), *test, *rest])
    return markdown_table(rows) + "\n"


def _say(name: str, line: str) -> None:
    click.echo(f"{name}: {line}")


@click.command(help=__doc__.split("\n")[0])
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--jobs", "processes", default=2, show_default=True, help="Trainings at once.")
@click.option(
    "--variant", "names", multiple=True, type=click.Choice(list(VARIANTS)), help="Only this one; repeatable."
)
def main(data: Path, out: Path, processes: int, names: tuple[str, ...]) -> None:
    """Train what is not done, and write what was found."""
    out.mkdir(parents=True, exist_ok=True)
    parts = {variant.images: out / f"cifar10-{variant.images}.tar" for variant in VARIANTS.values()}
    todo = {
        name: jobs(variant, out / name.replace(" ", "-").replace(",", ""), parts[variant.images])
        for name, variant in VARIANTS.items()
    }

    def write() -> None:
        outcomes = {name: read_outcomes(of_it) for name, of_it in todo.items()}
        usual = [one for one in outcomes["as a rule"] if one.arm == BASELINE]  # for variants without it
        found = {}
        for name, ended in outcomes.items():
            arms = {arm: [one for one in ended if one.arm == arm] for arm in VARIANTS[name].arms}
            rows = [
                row(arm, own, arms.get(ARMS[arm].against, usual)) for arm, own in arms.items() if by_seed(own)
            ]
            if rows:
                found[name] = rows
        every = [job for of_it in todo.values() for job in of_it]
        content = {"environment": where(every), "variants": found}
        write_text(out / "when.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        write_text(out / "when.md", table(found))

    for name in names or VARIANTS:
        images = VARIANTS[name].images
        part(data, images, parts[images])
        train_all(todo[name], processes, partial(_say, name), write)
    write()
    click.echo((out / "when.md").read_text())


if __name__ == "__main__":
    main()
