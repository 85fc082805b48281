"""Every training objective on a small set of real faces, with the same network, budget and seed.

    python benchmarks/heads_small.py --data train-faces-112x96.tar --lfw lfw-112x96.tar --pairs pairs.txt \
        --exclude docs/results/in-lfw.txt --out runs/heads-small [--seeds 3] [--heads softmax arcface]

Trains with recipes/lfw-quick.yaml, extracts LFW and scores it, one objective after another. What is there
already is not repeated, what was interrupted goes on, and two of these may work in the same --out on
different --heads, with one thread each (OMP_NUM_THREADS=1). At the end, or at once with --table-only, all
runs of that length in --out go into `table.md`: a row an objective (its first seed), and mean ± std over the
seeds where there are several.

No parameter is tuned here: each is the one its paper or `docs/objectives.md` gives, but for `SCALE`, which
depends on the size of the set.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heads import percent_added, step_times
from small_faces import RECIPES, accuracies, markdown, scores, train_and_score

from nsface.errors import DataError
from nsface.recipe.schema import Recipe, load_recipe
from nsface.report.runs import Run, read_runs

Settings = dict[str, Any]
RECIPE = RECIPES / "lfw-quick.yaml"

# The scale of all normalised heads. For p_y to reach 0.999 among C identities, NormFace's bound asks for
# s ≥ log((C − 1) p/(1 − p)) = 14.2 at C = 1,449; a margin m divides it by 1 − m or cos m, which makes it 24
# for the largest here (0.4 on the cosine). 64, the scale for 10⁵ identities, would be far above.
SCALE = 30.0
BALANCED = {"identities": 16, "images": 4}  # the recipe's 64 images a step


def head(name: str, **arguments: Any) -> Settings:
    return {"head": {"name": name, **arguments}}


def auxiliary(name: str, **arguments: Any) -> Settings:
    return {"auxiliary": [{"name": name, **arguments}]}


MULTIPLIED = {"margin": 4, "lowest_lambda": 5.0}
ARCFACE, COSFACE = {"scale": SCALE, "margin": 0.5}, {"scale": SCALE, "margin": 0.35}
# the objectives by name: keys of the recipe, and what they are in it
ARMS: dict[str, Settings] = {
    "softmax": head("softmax"),
    "noisy-softmax": head("noisy-softmax", alpha2=0.1),
    "noisy-amplitude": head("noisy-softmax", alpha2=0.1, variant="amplitude"),
    "noisy-free": head("noisy-softmax", alpha2=0.1, variant="free"),
    "noisy-normal": head("noisy-softmax", alpha2=0.1, noise="normal"),
    "noisy-per-batch": head("noisy-softmax", alpha2=0.1, noise_per="batch"),
    "gradient-decay": head("gradient-decay", beta=0.1),
    "label-smoothing": head("label-smoothing", epsilon=0.1),
    "disturb-label": head("disturb-label", alpha=0.1),
    "l-softmax": head("l-softmax", **MULTIPLIED),
    "sphereface": head("sphereface", **MULTIPLIED),
    "normface": head("normface", scale=SCALE),
    "cosface": head("cosface", **COSFACE),
    "arcface": head("arcface", **ARCFACE),
    "combined-margin": head("combined-margin", scale=SCALE, m1=1.0, m2=0.3, m3=0.2),
    "adaface": head("adaface", scale=SCALE, margin=0.4, h=0.333),
    "curricularface": head("curricularface", **ARCFACE),
    "magface": head("magface", scale=SCALE),
    "normface+noise": head("normface", scale=SCALE, alpha2=0.1),
    "cosface+noise": head("cosface", **COSFACE, alpha2=0.1),
    "arcface+noise": head("arcface", **ARCFACE, alpha2=0.1),
    "softmax+center": head("softmax") | auxiliary("center", weight=0.008),
    "noisy+center": head("noisy-softmax", alpha2=0.1) | auxiliary("center", weight=0.008),
    # what the two after it are to be compared with: the same batches without their losses
    "softmax-balanced": head("softmax") | {"sampler": BALANCED},
    "softmax+contrastive": head("softmax") | auxiliary("contrastive", weight=1.0) | {"sampler": BALANCED},
    "softmax+triplet": head("softmax") | auxiliary("triplet", weight=1.0) | {"sampler": BALANCED},
    # hard-tanh without noise, and with: 2 to 4 times the time of ReLU
    "hard-tanh": head("softmax") | {"network.activation": {"name": "nani-tanh", "c": 0.0}},
    "nah-tanh": head("softmax") | {"network.activation": {"name": "nah-tanh", "c": 0.5}},
}


def described(settings: Settings) -> str:
    """The parameters of an arm, for the table."""
    parts = [said(settings["head"])]
    parts += [f"{loss['name']}: {said(loss)}" for loss in settings.get("auxiliary", [])]
    if "sampler" in settings:
        parts.append("{identities} identities × {images}".format(**settings["sampler"]))
    if "network.activation" in settings:
        parts.append("activation {name}: c {c}".format(**settings["network.activation"]))
    return "; ".join(part for part in parts if part)


def said(choice: Settings) -> str:
    return ", ".join(f"{key} {value}" for key, value in choice.items() if key != "name")


def folder(name: str, seed: int, options: argparse.Namespace) -> Path:
    path: Path = options.out / f"{name}-{options.epochs}-{seed}"
    return path


def finished(names: Sequence[str], options: argparse.Namespace) -> dict[str, list[Run]]:
    """The runs of that length in --out that have been scored, by arm, in the order of their seeds.

    Raises:
        DataError: runs that differ in more than their objective and seed.
    """
    runs: dict[str, list[Run]] = {}
    for name in names:
        scored = [path.parent for path in options.out.glob(f"{name}-{options.epochs}-*/lfw.json")]
        if scored:
            runs[name] = sorted(read_runs(scored), key=lambda run: int(run.recipe["seed"]))
    varied = {"head", "auxiliary", "sampler", "network", "seed", "cache"}
    common = {
        json.dumps({key: value for key, value in run.recipe.items() if key not in varied}): run.folder
        for repeated in runs.values()
        for run in repeated
    }
    if len(common) > 1:
        raise DataError(f"{options.out}: {' and '.join(map(str, common.values()))} were trained differently")
    return runs


def table(runs: dict[str, list[Run]], recipes: dict[str, Recipe], options: argparse.Namespace) -> str:
    identities = next(iter(runs.values()))[0].environment["identities"]
    times = step_times({name: recipes[name] for name in ["softmax", *runs]}, identities, "cpu", 40)
    header = [
        "objective", "parameters", "LFW accuracy ± SE, %", "AUC, %", "TAR at FAR 1 %, %",
        "training accuracy, %", "added to a step, %",
    ]  # fmt: skip
    rows = [
        [name, described(ARMS[name]), *scores(repeated[0]), percent_added(times[name], times["softmax"])]
        for name, repeated in runs.items()
    ]
    text = markdown([header, *rows])
    several = [summary(name, repeated) for name, repeated in runs.items() if len(repeated) > 1]
    if several:
        text += "\n" + markdown([["objective", "LFW accuracy by seed, %", "mean ± std, %"], *several])
    steps = next(iter(runs.values()))[0].log[-1]["step"]
    return f"{steps:,} steps; a step with softmax takes {1000 * times['softmax'].whole:.0f} ms.\n\n{text}"


def summary(name: str, runs: Sequence[Run]) -> list[str]:
    accuracy = accuracies(runs)
    listed = ", ".join(f"{value:.2f}" for value in accuracy)
    return [name, listed, f"{accuracy.mean():.2f} ± {accuracy.std(ddof=1):.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("data", "lfw", "pairs", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--exclude", type=Path, help="file that names identities to leave out, one a line")
    parser.add_argument("--epochs", type=int, default=load_recipe(RECIPE).epochs, help="length of each run")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--heads", nargs="+", choices=list(ARMS), default=list(ARMS), metavar="NAME")
    parser.add_argument("--table-only", action="store_true", help="train nothing")
    options = parser.parse_args()
    recipes = {name: load_recipe(RECIPE, settings) for name, settings in ARMS.items()}  # all are right
    if not options.table_only:
        for seed in range(options.seeds):
            for name in options.heads:
                train(name, seed, ARMS[name], options)
    runs = finished(list(ARMS), options)
    if not runs:
        parser.error(f"{options.out} holds no scored run of {options.epochs} epochs")
    text = table(runs, recipes, options)
    (options.out / "table.md").write_text(text)
    print(text)


def train(name: str, seed: int, settings: Settings, options: argparse.Namespace) -> None:
    """Train, extract and score, unless it has been."""
    path = folder(name, seed, options)
    if not (path / "lfw.json").exists():
        given = [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]
        train_and_score(path, RECIPE, [*given, "--epochs", options.epochs, "--seed", seed], options)


if __name__ == "__main__":
    main()
