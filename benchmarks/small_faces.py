"""What the scripts share that train on a small set of real faces and score LFW."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsface.report.runs import Run
from nsface.report.tables import percent
from nsface.results import Verification
from nsface.run_folder import RunFolder

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
RECIPE = RECIPES / "lfw-small.yaml"


def nsface(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "nsface", *map(str, arguments)], check=True, stdout=sys.stderr)


def train_and_score(folder: Path, recipe: Path, training: Sequence[object], options: Namespace) -> Path:
    """Train with `recipe` and `training`, extract LFW, score: what of it is not there yet; the folder."""
    left_out = ["--set", f"exclude={options.exclude}"] if options.exclude else []
    nsface(
        "train", recipe, "--data", options.data, "--set", f"cache={options.out / 'cache'}", "--out", folder,
        *left_out, *training, "--resume",
    )  # fmt: skip
    if not (folder / "lfw.npz").exists():
        nsface("extract", RunFolder(folder).model_file, options.lfw, "-o", folder / "lfw.npz")
    nsface("eval-lfw", folder / "lfw.npz", "--pairs", options.pairs, "--json", folder / "lfw.json")
    return folder


def scores(run: Run) -> list[str]:
    """Accuracy ± SE, AUC and TAR at FAR 1 % on LFW, and the last epoch's training accuracy; in per cent."""
    score = lfw_result(run)
    tar = next(point.tar for point in score.tar_at_far if point.far == 0.01)
    return [
        f"{percent(score.accuracy)} ± {percent(score.standard_error)}",
        percent(score.auc),
        percent(tar),
        f"{100 * last_accuracy(run):.1f}",
    ]


def lfw_result(run: Run) -> Verification:
    """What `eval-lfw` left in the folder of `run`."""
    result = run.results["lfw"]
    assert isinstance(result, Verification)
    return result


def accuracies(runs: Sequence[Run]) -> npt.NDArray[np.float64]:
    """LFW accuracy of each of `runs`, in per cent."""
    return 100 * np.array([lfw_result(run).accuracy for run in runs], dtype=np.float64)


def last_accuracy(run: Run) -> float:
    """Training accuracy, mean over the samples of the last epoch: of the lines of the log that end in it."""
    steps = np.diff([0, *(line["step"] for line in run.log)])
    last = np.array([line["epoch"] > run.log[-1]["epoch"] - 1 for line in run.log])
    return float(np.average([line["accuracy"] for line in run.log], weights=steps * last))


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table of `rows`, of which the first is the head."""
    first, *others = rows
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (first, ["---"] * len(first), *others))
