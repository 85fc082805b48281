"""Checks of the time to an accuracy with the recipe `casia-fast`, on rendered identities and on real ones.

The accuracy is that of pairs of identities that are held out of the training, and of LFW for real faces.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from nsface.benchmark.gpu.frame import each
from nsface.benchmark.gpu.place import Found, Place
from nsface.recipe.schema import load_recipe
from nsface.run_folder import RunFolder
from nsface.synthetic.layouts import write_training_set
from nsface.synthetic.rendering import Size
from nsface.training.run import train

RECIPE = "casia-fast"
LEVELS = (0.9, 0.95, 0.98, 0.99)  # accuracies whose time is looked up


def rendered(place: Place, found: Found) -> None:
    """Rendered identities, each with CASIA-WebFace's mean number of images, up to its number of identities.

    A few are rendered first, to know how many the time is enough for.
    """
    scale = place.scale.fast
    workers = os.cpu_count() or 1 if place.cuda else 1
    size = Size.H112_W96
    start = time.perf_counter()
    probe = write_training_set(
        place.folder / "probe.tar", scale.probe, scale.per_identity, size=size, workers=workers
    )
    speed = scale.probe / (time.perf_counter() - start)
    probe.unlink()
    identities = min(scale.identities, max(scale.probe, int(speed * scale.rendering_share * place.seconds)))
    start = time.perf_counter()
    faces = write_training_set(
        place.folder / "rendered.tar", identities, scale.per_identity, size=size, workers=workers
    )
    found["rendering"] = {
        "identities": identities,
        "images": identities * scale.per_identity,
        "of_identities": scale.identities,
        "workers": workers,
        "seconds": time.perf_counter() - start,
    }
    held_out = min(scale.held_out, identities // 2)
    changes = {**scale.changes, "validate": {"held_out": held_out}}
    _each_trained(place, found, faces, {"as the recipe": changes})


def real(place: Place, found: Found) -> None:
    """The small set of real faces, which is a 35th of CASIA, with the recipe's epochs and with more."""
    assert place.data is not None
    scale = place.scale.fast
    excluded, lfw, pairs = (str(place.data.path(name)) for name in ("exclude.txt", "lfw.tar", "pairs.txt"))
    found["data"] = place.data.about
    trainings = {}
    for epochs in scale.epochs:
        every = max(1, epochs // 10)
        validations = [
            {"held_out": scale.held_out_real, "every": every},
            {"images": lfw, "pairs": pairs, "every": every},
        ]
        own = {"exclude": excluded, "validate": validations, "epochs": epochs}
        trainings[f"{epochs} epochs"] = {**scale.changes, **own}
    _each_trained(place, found, place.data.path("faces.tar"), trainings)


def _each_trained(
    place: Place, found: Found, faces: Path, trainings: Mapping[str, Mapping[str, Any]]
) -> None:
    """Train with the recipe and each of these changes; a training whose time is over leaves its curve."""

    def one(name: str) -> Found:
        out = place.folder / f"fast-{name}".replace(" ", "-")
        try:
            return _trained(place, out, faces, trainings[name])
        except BaseException:
            run = RunFolder(out)
            if run.is_run() and (log := run.read_log()):
                batch = run.load_recipe().batch_size
                so_far = curve(log, run.read_validation(), batch)
                found[name] = {"error": "the training did not end", **so_far}
            raise

    each(found, {name: partial(one, name) for name in trainings}, place.save)


def _trained(place: Place, out: Path, faces: Path, changes: Mapping[str, Any]) -> Found:
    """The curve of one training with `casia-fast` and `changes`, in the new folder `out`."""
    own = {"data": str(faces), "device": place.device.type, "log_every": 10}
    recipe = load_recipe(RECIPE, {**own, **changes})
    start = time.perf_counter()
    train(recipe, out)
    run = RunFolder(out)
    environment = run.read_environment()
    return {
        "images": environment["images"],
        "identities": environment["identities"],
        "seconds_in_all": time.perf_counter() - start,  # with decoding and validations
        **curve(run.read_log(), run.read_validation(), recipe.batch_size),
    }


def curve(log: list[dict[str, Any]], validations: list[dict[str, Any]], batch: int) -> Found:
    """Speed, minutes an epoch, and every validation with the minutes of training before it.

    Args:
        log, validations: lines as those of log.jsonl and validation.jsonl.
        batch: images a step.
    """
    steps = np.array([0, *(line["step"] for line in log)])
    speeds = np.array([line["images_per_second"] for line in log])
    minutes = np.concatenate([[0.0], np.cumsum(np.diff(steps) * batch / speeds)]) / 60
    epochs, points = log[-1]["epoch"], [dict(line) for line in validations]
    for line in points:
        line["minutes"] = float(np.interp(line["step"], steps, minutes))
    result: Found = {
        "images_per_second": float(np.median(speeds)),
        "minutes_an_epoch": float(minutes[-1] / epochs),
        "minutes": float(minutes[-1]),
        "validations": {},
    }
    for name, of_set in groupby(sorted(points, key=lambda line: line["name"]), lambda line: line["name"]):
        lines = [
            {key: line[key] for key in ("epoch", "minutes", "accuracy", "standard_error", "auc")}
            for line in of_set
        ]
        reached = {
            f"{100 * level:g} %": next((one["minutes"] for one in lines if one["accuracy"] >= level), None)
            for level in LEVELS
        }
        result["validations"][name] = {"minutes_to": reached, "curve": lines}
    return result
