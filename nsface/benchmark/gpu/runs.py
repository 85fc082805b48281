"""Checks of whole runs: no step waits, every form of the data gives the same bits, and resuming does too."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from nsface.benchmark.gpu.frame import each
from nsface.benchmark.gpu.place import Found, Place, compared, faces, forms, placed, recipe
from nsface.embeddings.extraction import extract
from nsface.embeddings.model import load_model
from nsface.heads import HEADS
from nsface.images.sources import open_source
from nsface.model import Description, save_model
from nsface.preprocessing import Preprocessing
from nsface.ranks import ALONE
from nsface.run_folder import RunFolder
from nsface.training.data import make_loader, training_set
from nsface.training.loop import Interrupted
from nsface.training.run import make_trainer, train
from nsface.training.step import Step


def waits(place: Place, found: Found) -> None:
    """Whole training steps, of every form of the data and every head, in which the host never waits."""
    settings = forms(place)
    each(found, {form: partial(unwaiting, place, form, **settings[form]) for form in settings})
    usual = settings["packed pixels"]
    jobs = {name: partial(unwaiting, place, **usual, head={"name": name}) for name in HEADS}
    each(found.setdefault("heads", {}), jobs)


def unwaiting(place: Place, form: str = "", **changes: Any) -> Found:
    """Some steps of a training from data of `form`, in which it is an error to wait."""
    chosen = recipe(place, log_every=10**6, epochs=100, **changes)
    source, images, labels, identities = training_set(chosen)
    with placed(form, place):
        loader = make_loader(chosen, source, images, labels, place.device, ALONE)
    trainer = make_trainer(chosen, len(identities), loader, place.device, ALONE)
    with loader:
        run = trainer.run()
        for _ in range(3):  # what is made once may wait
            next(run)
        with nothing_waits(place):
            for _ in range(6):
                next(run)
    loss = trainer.meter.read()["loss"]
    return {"steps": 6, "loss": loss} | ({} if np.isfinite(loss) else {"error": "the loss is not finite"})


@contextmanager
def nothing_waits(place: Place) -> Iterator[None]:
    """Make it an error that the host waits for the GPU; a CPU is never waited for."""
    if not place.cuda:
        yield
        return
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def trainings(place: Place, found: Found) -> None:
    """A short training from every form of the data: it learns, and to the same bits as from the others."""
    weights: dict[str, dict[str, Tensor]] = {}

    def one(form: str, settings: Found) -> Found:
        out = place.folder / "runs" / form.replace(" ", "-")
        with placed(form, place):
            weights[form] = load_file(train(recipe(place, **settings), out))
        log = RunFolder(out).read_log()
        result = {"losses": [line["loss"] for line in log], "images_per_second": log[-1]["images_per_second"]}
        if not result["losses"][-1] < result["losses"][0]:
            result["error"] = "the loss has not fallen"
        elif not same(weights[form], weights["in device memory"]):
            result["error"] = "other weights than those from device memory"
        return result

    with deterministic():
        each(found, {form: partial(one, form, settings) for form, settings in forms(place).items()})


def resumed(place: Place, found: Found) -> None:
    """A run that is stopped in its midst and resumed has the bits of one that was not."""
    data = str(faces(place))
    with deterministic():
        each(found, {name: partial(stopped, place, data=data, precision=name) for name in ("fp32", "bf16")})


def stopped(place: Place, **changes: Any) -> Found:
    """Train without a stop, and with one."""
    chosen = recipe(place, **changes)
    folder = place.folder / chosen.precision
    whole = load_file(train(chosen, folder / "whole"))
    step, usual = 0, Step.__call__

    def stopping(self: Step, *arguments: Any, **named: Any) -> Any:
        nonlocal step
        step += 1
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return usual(self, *arguments, **named)

    try:
        with mock.patch.object(Step, "__call__", stopping):
            train(chosen, folder / "parts")
        return {"error": "the run was not stopped"}
    except Interrupted:
        parts = load_file(train(chosen, folder / "parts", resume=True))
    return {"stopped_after": step} | ({} if same(parts, whole) else {"error": "other weights than unstopped"})


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def extraction(place: Place, found: Found) -> None:
    """Batches that are sent while others are computed give what each gives alone; and how fast both are."""
    height, width = place.scale.faces
    description = Description(
        network="sphereface-20" if place.cuda else "light-resnet",
        network_arguments={},
        embedding_size=512,
        input=Preprocessing(height=height, width=width),
        head="softmax",
        head_arguments={},
        identities=2,
        recipe_digest="",
    )
    save_model(place.folder / "model.safetensors", description.build(), description)
    model = load_model(place.folder / "model.safetensors", device="cuda" if place.cuda else "cpu")
    source, batch = open_source(str(faces(place))), place.scale.batch
    pixels = np.stack([source.pixels(index) for index in range(len(source))])

    def in_file() -> Any:
        made = extract(model, source, batch_size=batch, output=place.folder / "faces.npy")
        return made.embeddings.vectors[:]

    vectors = {}
    for name, function in {
        "network": lambda: model.embed(pixels, batch_size=batch),
        "extraction": in_file,
    }.items():
        function()  # libraries are loaded, and their kernels chosen
        start = time.perf_counter()
        vectors[name] = torch.from_numpy(function())
        found[f"{name}_images_per_second"] = len(source) / (time.perf_counter() - start)
    exact = {"embeddings": [vectors["network"]]}
    found["off"] = compared({"embeddings": [vectors["extraction"]]}, exact, {"embeddings": 1e-3})
