"""Softmax against Noisy Softmax on a small set of real faces, over several seeds with the same budget.

    python benchmarks/lfw_small.py --data train-faces-112x96.tar --lfw lfw-112x96.tar --pairs pairs.txt \
        --exclude docs/results/in-lfw.txt --out runs/lfw-small --seeds 3 --alpha2 0.1 --epochs 27

Trains with recipes/lfw-small.yaml, extracts LFW and scores it, one run after another; a run that is there
already is not repeated, one that was interrupted goes on. Writes `table.md` and, of the longest runs,
`saturation.svg` into --out. Several lengths show how many steps a method needs: --epochs 7 14 27. Where there
is a GPU: --seeds 10 --alpha2 0.05 0.1 0.5 1 --epochs 27 54 108.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from small_faces import RECIPE, accuracies, markdown, scores, train_and_score

from nsface.report.runs import Run, read_runs
from nsface.report.saturation import draw_saturation, measures

HEADER = (
    "head", "steps", "seed", "LFW accuracy ± SE, %", "AUC, %", "TAR at FAR 1 %, %", "training accuracy, %",
    "minutes", "images/s",
)  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """One of the methods compared, trained for so many epochs; α² is None for Softmax."""

    alpha2: float | None
    epochs: int

    @property
    def title(self) -> str:
        return "Softmax" if self.alpha2 is None else f"Noisy Softmax, α² = {self.alpha2:g}"

    @property
    def options(self) -> list[str]:
        if self.alpha2 is None:
            return ["--head", "softmax"]
        return ["--head", "noisy-softmax", "--alpha2", str(self.alpha2)]

    def folder(self, seed: int) -> str:
        method = "softmax" if self.alpha2 is None else f"noisy-{self.alpha2:g}"
        return f"{method}-{self.epochs}-{seed}"


def run(arm: Arm, seed: int, options: argparse.Namespace) -> Path:
    """Train, extract and score, what of it is not there yet; the run's folder."""
    training = [*arm.options, "--epochs", arm.epochs, "--seed", seed]
    return train_and_score(options.out / arm.folder(seed), RECIPE, training, options)


def minutes(run: Run) -> float:
    """Time in training steps, from the speed of each stretch of the log."""
    steps = np.diff([0, *(line["step"] for line in run.log)])
    seconds = steps * run.recipe["batch_size"] / [line["images_per_second"] for line in run.log]
    return float(seconds.sum() / 60)


def row(arm: Arm, run: Run) -> list[str]:
    return [
        arm.title,
        f"{run.log[-1]['step']:,}",
        str(run.recipe["seed"]),
        *scores(run),
        f"{minutes(run):.1f}",
        f"{np.median([line['images_per_second'] for line in run.log]):.0f}",
    ]


def summary(arm: Arm, runs: Sequence[Run]) -> list[str]:
    accuracy = accuracies(runs)
    mean = f"{accuracy.mean():.2f} ± {accuracy.std(ddof=1):.2f}"
    steps = f"{runs[0].log[-1]['step']:,}"
    return [f"**{arm.title}**", steps, f"mean ± std of {len(runs)}", f"**{mean}**", *[""] * 5]


def table(runs: dict[Arm, list[Run]]) -> str:
    rows = [list(HEADER)]
    rows += [row(arm, one) for arm, repeated in runs.items() for one in repeated]
    rows += [summary(arm, repeated) for arm, repeated in runs.items() if len(repeated) > 1]
    return markdown(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("data", "lfw", "pairs", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--exclude", type=Path, help="file that names identities to leave out, one a line")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--alpha2", type=float, nargs="*", default=[0.1])
    parser.add_argument("--epochs", type=int, nargs="+", default=[27], help="lengths of the runs")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    arms = [Arm(alpha2, epochs) for epochs in options.epochs for alpha2 in (None, *options.alpha2)]
    folders: dict[Arm, list[Path]] = {arm: [] for arm in arms}
    for seed in range(options.seeds):
        for arm in arms:
            folders[arm].append(run(arm, seed, options))
    runs = {arm: read_runs(paths) for arm, paths in folders.items()}
    (options.out / "table.md").write_text(table(runs))
    longest = {arm.title: runs[arm] for arm in arms if arm.epochs == max(options.epochs)}
    draw_saturation(
        options.out / "saturation.svg",
        {title: [measures(run) for run in repeated] for title, repeated in longest.items()},
    )
    print(table(runs))


if __name__ == "__main__":
    main()
