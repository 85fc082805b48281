"""A check of Noisy Softmax on a small set of real faces: accuracy on LFW's pairs, over seeds."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nsface import evaluate
from nsface.benchmark.gpu.arms import ARMS, compare_arms, stored
from nsface.benchmark.gpu.place import Found, Place
from nsface.device import DeviceChoice
from nsface.embeddings.extraction import extract
from nsface.errors import DoubtfulResult
from nsface.images.sources import open_source
from nsface.recipe.schema import Recipe, load_recipe
from nsface.run_folder import RunFolder
from nsface.training.run import train

RECIPE = "lfw-small"


@dataclass(frozen=True)
class Training:
    """One training: stores of its images and of LFW's, the list of pairs, device, changes, arm and seed."""

    faces: Path
    lfw: Path
    pairs: Path
    folder: Path
    device: DeviceChoice
    changes: Mapping[str, Any]
    arm: str
    seed: int


def lfw(place: Place, found: Found) -> None:
    """Every arm with every seed by the recipe `lfw-small`, scored on LFW's pairs."""
    assert place.data is not None
    scale = place.scale.faces_table
    device: DeviceChoice = "cuda" if place.cuda else "cpu"
    stores = stored(place, "faces.tar"), stored(place, "lfw.tar")
    pairs = place.data.path("pairs.txt")
    job = partial(Training, *stores, pairs, place.folder / "runs", device, scale.changes)
    found["data"] = place.data.about
    found["recipe"] = recipe_of(job("softmax", 0)).decisive()
    compare_arms(place, found, train_and_score, job, "accuracy", scale.seeds, scale.processes)


def recipe_of(job: Training) -> Recipe:
    """What is trained: for every arm the same but the head."""
    head = {f"head.{key}": value for key, value in ARMS[job.arm].items()}
    own = {"data": str(job.faces), "device": job.device, "seed": job.seed}
    return load_recipe(RECIPE, {**head, **own, **job.changes})


def train_and_score(job: Training) -> Found:
    """Train, embed LFW and score its pairs; what the training leaves in its folder is removed."""
    out = job.folder / f"{job.arm}-{job.seed}".replace(" ", "-")
    shutil.rmtree(out, ignore_errors=True)
    try:
        start = time.perf_counter()
        model = train(recipe_of(job), out)
        seconds = time.perf_counter() - start
        last = RunFolder(out).read_log()[-1]
        made = extract(model, open_source(str(job.lfw)), device=job.device)
        with warnings.catch_warnings():
            # the data file leaves out who is known to be in LFW; nobody has looked for others
            warnings.simplefilter("ignore", DoubtfulResult)
            result = evaluate.lfw(made.embeddings, job.pairs)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return {
        "accuracy": result.accuracy,
        "folds_standard_error": result.standard_error,
        "auc": result.auc,
        "tar_at_far": {f"{point.far:g}": point.tar for point in result.tar_at_far},
        "training_accuracy": last["accuracy"],
        "seconds": seconds,
        "images_per_second": last["images_per_second"],
    }
