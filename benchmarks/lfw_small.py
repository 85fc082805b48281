"""Softmax against Noisy Softmax on a small set of real faces, over several seeds with the same budget.

    python benchmarks/lfw_small.py --data train-faces-112x96.tar --lfw lfw-112x96.tar --pairs pairs.txt \
        --out runs/lfw-small --seeds 3 --alpha2 0.1

Trains with recipes/lfw-small.yaml, extracts LFW and scores it, one run after another; a run that is there
already is not repeated, one that was interrupted goes on. Writes `table.md` and `saturation.svg` into --out.
Ten seeds,
four variances and four times the length, where there is a GPU: --seeds 10 --alpha2 0.05 0.1 0.5 1 --epochs
    64.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "lfw-small.yaml"


@dataclass(frozen=True)
class Arm:
    """One of the methods compared; α² is None for Softmax."""

    alpha2: float | None

    @property
    def title(self) -> str:
        return "Softmax" if self.alpha2 is None else f"Noisy Softmax, α² = {self.alpha2:g}"

    @property
    def folder(self) -> str:
        return "softmax" if self.alpha2 is None else f"noisy-{self.alpha2:g}"

    @property
    def options(self) -> list[str]:
        if self.alpha2 is None:
            return ["--head", "softmax"]
        return ["--head", "noisy-softmax", "--alpha2", str(self.alpha2)]


@dataclass(frozen=True)
class Run:
    arm: Arm
    seed: int
    score: dict[str, Any]
    log: list[dict[str, float]]

    @property
    def minutes(self) -> float:
        """Time in training steps, from the speed of each stretch of the log."""
        steps = np.diff([0] + [line["step"] for line in self.log])
        batch = 128
        return float(
            sum(n * batch / line["images_per_second"] for n, line in zip(steps, self.log, strict=True)) / 60
        )


def nsface(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "nsface", *map(str, arguments)], check=True, stdout=sys.stderr)


def run(arm: Arm, seed: int, options: argparse.Namespace) -> Run:
    folder = options.out / f"{arm.folder}-{seed}"
    length = ["--epochs", options.epochs] if options.epochs else []
    nsface(
        "train", RECIPE, "--data", options.data, "--set", f"cache={options.out / 'cache'}", "--out", folder,
        *arm.options, "--seed", seed, *length, "--resume",
    )  # fmt: skip
    if not (folder / "lfw.npz").exists():
        nsface("extract", folder / "model.safetensors", options.lfw, "-o", folder / "lfw.npz")
    nsface("eval-lfw", folder / "lfw.npz", "--pairs", options.pairs, "--json", folder / "lfw.json")
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return Run(arm, seed, json.loads((folder / "lfw.json").read_text()), log)


def table(runs: dict[Arm, list[Run]]) -> str:
    rows = [
        [
            "head",
            "seed",
            "LFW accuracy ± SE, %",
            "AUC, %",
            "TAR at FAR 1 %, %",
            "training accuracy, %",
            "minutes",
            "images/s",
        ],
        ["---"] * 8,
    ]
    for arm, repeated in runs.items():
        for one in repeated:
            score = one.score
            tar = next(point["tar"] for point in score["tar_at_far"] if point["far"] == 0.01)
            rows.append(
                [
                    arm.title,
                    str(one.seed),
                    f"{100 * score['accuracy']:.2f} ± {100 * score['standard_error']:.2f}",
                    f"{100 * score['auc']:.2f}",
                    f"{100 * tar:.2f}",
                    f"{100 * one.log[-1]['accuracy']:.1f}",
                    f"{one.minutes:.1f}",
                    f"{np.median([line['images_per_second'] for line in one.log]):.0f}",
                ]
            )
    for arm, repeated in runs.items():
        accuracy = 100 * np.array([one.score["accuracy"] for one in repeated])
        spread = f" ± {accuracy.std(ddof=1):.2f}" if len(accuracy) > 1 else ""
        count = f"mean ± std of {len(accuracy)}"
        rows.append([f"**{arm.title}**", count, f"**{accuracy.mean():.2f}{spread}**", *[""] * 5])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def saturation(runs: dict[Arm, list[Run]], path: Path) -> None:
    """Mean p_y, share of p_y > 0.999 and mean gradient on the target logit against steps; one line a run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    fields = {
        "probability": "mean $p_y$ (clean target logit)",
        "saturated": "share of samples with $p_y$ > 0.999",
        "gradient": "mean gradient on the target logit",
    }
    figure, panels = pyplot.subplots(1, 3, figsize=(12, 3.6), constrained_layout=True)
    styles = ["-", "--", "-.", ":"]
    for panel, (field, title) in zip(panels, fields.items(), strict=True):
        for number, (arm, repeated) in enumerate(runs.items()):
            for one in repeated:
                panel.plot(
                    [line["step"] for line in one.log],
                    [line[field] for line in one.log],
                    styles[number % 4],
                    color=f"C{number}",
                    linewidth=1.2,
                    label=arm.title if one is repeated[0] else None,
                )
        panel.set(title=title, xlabel="step", ylim=(0, None))
        panel.grid(alpha=0.3)
    panels[0].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("data", "lfw", "pairs", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--alpha2", type=float, nargs="*", default=[0.1])
    parser.add_argument("--epochs", type=int, help="length of every run, instead of the recipe's")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    arms = [Arm(None), *map(Arm, options.alpha2)]
    runs: dict[Arm, list[Run]] = {arm: [] for arm in arms}
    for seed in range(options.seeds):
        for arm in arms:
            runs[arm].append(run(arm, seed, options))
    (options.out / "table.md").write_text(table(runs))
    saturation(runs, options.out / "saturation.svg")
    print(table(runs))


if __name__ == "__main__":
    main()
