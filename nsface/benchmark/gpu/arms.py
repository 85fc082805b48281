"""Softmax and Noisy Softmax of several α², trained with the same seeds and compared seed by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nsface.benchmark.gpu.frame import described
from nsface.benchmark.gpu.place import Found, Place
from nsface.images.sources import open_source
from nsface.images.store.packing import pack
from nsface.pool import at_once

BASELINE = "softmax"
ARMS: dict[str, dict[str, Any]] = {
    BASELINE: {"name": "softmax"},
    "noisy 0.1": {"name": "noisy-softmax", "alpha2": 0.1},
    "noisy 0.05": {"name": "noisy-softmax", "alpha2": 0.05},
    "noisy 0.5": {"name": "noisy-softmax", "alpha2": 0.5},
    "noisy 1": {"name": "noisy-softmax", "alpha2": 1.0},
}
SUMMARY = "summary"

Given = TypeVar("Given")


def compare_arms(
    place: Place,
    found: Found,
    train: Callable[[Given], Found],
    job: Callable[[str, int], Given],
    measure: str,
    seeds: int,
    processes: int,
) -> None:
    """Train every arm with every seed, the seeds outermost; fill `found` and save it after each training.

    What is there without an error is not done again, so that a run that was killed goes on.

    Args:
        train: gives what a training of a job has found; its number called `measure` is what is compared.
        job: what `train` is given for an arm of `ARMS` and a seed.
        processes: how many trainings run at once.
    """
    names = [(f"seed {seed}, {arm}", arm, seed) for seed in range(seeds) for arm in ARMS]
    todo = {name: job(arm, seed) for name, arm, seed in names if name not in found or "error" in found[name]}
    with closing(at_once(train, todo, processes)) as ended:
        for name, outcome in ended:
            try:
                found[name] = outcome()
            except Exception as error:  # whatever it is, it belongs into the record
                found[name] = {"error": described(error)}
            found[SUMMARY] = summarised(found, measure, seeds)
            place.save()


def summarised(found: Mapping[str, Found], measure: str, seeds: int) -> Found:
    """Mean and standard deviation of `measure` of each arm, and those of its differences to Softmax.

    Differences are between trainings with the same seed, and only of seeds that both arms have.
    """
    values: dict[str, dict[int, float]] = {}
    for arm in ARMS:
        entries = {seed: found.get(f"seed {seed}, {arm}", {}) for seed in range(seeds)}
        values[arm] = {seed: entry[measure] for seed, entry in entries.items() if measure in entry}
    result: Found = {"measure": measure}
    for arm, of_seed in values.items():
        result[arm] = statistics(list(of_seed.values())) | {"by_seed": of_seed}
        if arm != BASELINE:
            both = sorted(of_seed.keys() & values[BASELINE].keys())
            result[arm]["minus_softmax"] = statistics([of_seed[s] - values[BASELINE][s] for s in both])
    return result


def statistics(values: list[float]) -> Found:
    """Number, mean, standard deviation (of one less than the number) and standard error of the mean."""
    count = len(values)
    result: Found = {"seeds": count}
    if count:
        result["mean"] = float(np.mean(values))
    if count > 1:
        std = float(np.std(values, ddof=1))
        result |= {"std": std, "standard_error": std / count**0.5}
    return result


def stored(place: Place, name: str) -> Path:
    """A store with the pixels of the images called `name` in the data, made once; processes share it."""
    assert place.data is not None
    store = place.folder / Path(name).stem
    if not store.exists():
        pack(open_source(str(place.data.path(name))), store)
    return store
