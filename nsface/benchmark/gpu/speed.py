"""Checks of speed: trainings of CASIA-WebFace's size, a peer beside them, and losses in bf16 and fp32."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from nsface.benchmark.gpu.frame import each
from nsface.benchmark.gpu.place import Found, Place
from nsface.benchmark.losses import losses_of
from nsface.benchmark.side_by_side import compare
from nsface.benchmark.speed import Measurement, Setting, measure
from nsface.recipe.schema import Recipe, load_recipe

RECIPES = ("casia-softmax", "casia-iresnet50")  # SphereFace-20 at 112×96, iResNet-50 at 112×112
LARGEST_DIFFERENCE = 0.01  # relative, of the mean losses of bf16 and fp32


def fastest(place: Place, found: Found) -> None:
    """Both networks as they are meant to be trained: bf16, at the middle batch size; and uncompiled."""
    each(found, first_cells(place))


def first_cells(place: Place) -> dict[str, Callable[[], Found]]:
    """The jobs of `fastest`."""
    return cells(place, [("bf16", "auto"), ("bf16", "off")], place.scale.speed.batches[:1])


def grid(place: Place, found: Found) -> None:
    """Every other combination of network, precision, compilation and batch."""
    ways = [(precision, choice) for choice in ("off", "auto") for precision in ("bf16", "fp32")]
    jobs = cells(place, ways, place.scale.speed.batches)
    each(found, {name: job for name, job in jobs.items() if name not in first_cells(place)})


def cells(
    place: Place, ways: list[tuple[str, str]], batches: tuple[int, ...]
) -> dict[str, Callable[[], Found]]:
    """A job for each combination, the most telling first.

    Args:
        ways: precision and `compile` of the recipe.
    """
    scale = place.scale.speed

    def one(name: str, changes: Found) -> Found:
        recipe = chosen(place, name, **changes)
        setting = Setting(recipe, scale.identities, scale.images, scale.seconds)
        measurement = measure(setting)
        release(place)
        return setting.describe() | measurement.to_json() | {"aims": aims(name, measurement)}

    jobs: dict[str, Callable[[], Found]] = {}
    for batch in batches:
        for precision, choice in ways:
            for name in RECIPES:
                changes = {"batch_size": batch, "precision": precision, "compile": choice}
                title = f"{name}, {precision}, compile {choice}, batch {batch}"
                jobs[title] = partial(one, name, changes)
    return jobs


def aims(name: str, measurement: Measurement) -> Found:
    """Whether what was aimed at came out. To miss an aim is no error."""
    found = {"loader share < 3 %": measurement.loader_share < 0.03}
    if name == "casia-softmax":
        found["20 epochs < 10 min"] = measurement.computed_minutes < 10
    else:
        found["6,000 images/s"] = measurement.images_per_second.median >= 6000
    return found


def peer(place: Place, found: Found) -> None:
    """Steps of both networks with ArcFace beside those of a loop that follows arcface_torch."""
    scale = place.scale.speed

    def one(name: str) -> Found:
        changes = {"head.name": "arcface", "batch_size": scale.batches[0]}
        ways = [("bf16", "auto"), ("bf16", "off"), ("tf32", "auto")]
        own = [chosen(place, name, **changes, precision=way, compile=choice) for way, choice in ways]
        setting = Setting(own[0], scale.identities, scale.images, 4 * scale.seconds)
        comparison = compare(setting, own, ["fp16", "fp32"] if place.cuda else ["bf16", "fp32"])
        release(place)
        error = {} if comparison.agreement.close else {"error": "the peer computes another loss or gradient"}
        return comparison.to_json() | error

    each(found, {name: partial(one, name) for name in RECIPES})


def losses(place: Place, found: Found) -> None:
    """The losses of the first steps in fp32 and in bf16, and in bf16 with a compiled network."""
    scale = place.scale.speed
    ways = {"fp32": ("fp32", "off"), "bf16": ("bf16", "off"), "bf16, compiled": ("bf16", "auto")}

    def one(name: str) -> Found:
        result: Found = {}
        for way, (precision, choice) in ways.items():
            recipe = chosen(place, name, precision=precision, compile=choice, batch_size=scale.steps_batch)
            result[way] = losses_of(recipe, scale.identities, scale.steps, scale.images)
            release(place)
        means = {way: sum(values) / len(values) for way, values in result.items()}
        off = {way: abs(means[way] / means["fp32"] - 1) for way in ways if way != "fp32"}
        result |= {"steps": scale.steps, "off": off, "tolerance": LARGEST_DIFFERENCE}
        wrong = [f"{way} is off by {100 * x:.1f} %" for way, x in off.items() if not x <= LARGEST_DIFFERENCE]
        return result | ({"error": "; ".join(wrong)} if wrong else {})

    each(found, {name: partial(one, name) for name in RECIPES})


def chosen(place: Place, name: str, **changes: Any) -> Recipe:
    """The recipe called `name` with `changes`, for this place."""
    return load_recipe(name, {**place.scale.speed.changes, **changes, "device": place.device.type})


def release(place: Place) -> None:
    """Give the memory of a GPU back that nothing uses any more, that of CUDA graphs too."""
    if place.cuda:
        torch.compiler.reset()
        gc.collect()
        torch.cuda.empty_cache()
