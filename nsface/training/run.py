"""A training run: the recipe, its data, and the run folder.

The folder holds `recipe.yaml` (as resolved), `environment.json`, `log.jsonl` (one line a logging step),
`checkpoints/latest.pt` and, once the run is complete, `model.safetensors`.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nsface import __version__
from nsface.device import pick_device, pick_precision
from nsface.errors import NsfaceError, RecipeError
from nsface.files import write_text
from nsface.model import Description, save_model
from nsface.recipe import Recipe
from nsface.seeds import derived_seed
from nsface.training.build import build_auxiliary, build_head
from nsface.training.checkpoint import load_checkpoint, save_checkpoint
from nsface.training.data import make_loader, progress, training_set
from nsface.training.folder import check_data, check_folder, claimed, kept_lines
from nsface.training.interruption import Interruption
from nsface.training.ranks import ALONE, Ranks
from nsface.training.trainer import Trainer


class Interrupted(Exception):
    """The run was asked to stop, and can be resumed."""


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    ranks: Ranks = ALONE,
    note: Callable[[str], object] | None = None,
) -> Path:
    """Train as `recipe` says, in the folder `out`; returns the path of the model.

    With `resume`, a run that was interrupted goes on, to the same bits as if it had not been; one that is
    complete is left as it is; one that was never begun begins.

    Of several `ranks`, each calls this with the same arguments; the first writes the folder, which all see.
    `note`, if given, is called there with a line about what is trained, before it is, and what is not read.

    Raises:
        RecipeError: a wrong value, or, with `resume`, another recipe than the folder's.
        DataError: the images cannot be used.
        NsfaceError: the folder holds a run already, or cannot be written.
        Interrupted: SIGINT or SIGTERM came; the state after the last step is saved.
    """
    check_folder(recipe, out, resume)
    model = out / "model.safetensors"
    checkpoint = out / "checkpoints" / "latest.pt"
    if ranks.any(resume and model.exists()):
        return model
    device = ranks.place(pick_device(recipe.device))
    dtype = pick_precision(recipe.precision, device)
    with torch.device("meta"):  # what is impossible should be said before the images are read
        build_head(recipe, ranks.count + 1, ranks)
        check_batch(recipe, 1 if device.type == "cuda" else ranks.count)

    source, chosen, labels, identities = training_set(recipe)
    if ranks.first and note is not None and source.unread:
        note(f"note: {source.unread}")
    fingerprint = source.fingerprint()
    begun = ranks.any(resume and checkpoint.exists())
    if begun:
        check_data(out / "environment.json", fingerprint)
    loader = make_loader(recipe, source, chosen, labels, device, ranks)
    ranks.wait()  # until all have looked at the folder as it was
    with claimed(recipe, out, resume) if ranks.first else nullcontext():
        if begun != ranks.any(resume and checkpoint.exists()):
            raise NsfaceError(
                f"{out}: another process has trained in this folder meanwhile; repeat the command"
            )
        torch.manual_seed(derived_seed(recipe.seed, "weights"))
        network, head = recipe.network.build(recipe.input), build_head(recipe, len(identities), ranks)
        auxiliary = build_auxiliary(recipe, len(identities))
        trainer = Trainer(recipe, network, head, auxiliary, loader, device, dtype, ranks)
        environment = describe_environment(device, dtype) | {
            "ranks": ranks.count,
            "data": fingerprint,
            "images": len(chosen),
            "identities": len(identities),
            "parameters": sum(p.numel() for p in network.parameters()),
            "classifier": head.classifier(recipe.batch_size),
        }
        if ranks.first:
            write_text(out / "environment.json", json.dumps(environment, indent=2) + "\n")
            if note is not None:
                note(opening(recipe, environment))
        if begun:
            trainer.restore(load_checkpoint(checkpoint, device))
        with loader:
            follow(trainer, out / "log.jsonl", checkpoint)
        description = Description(
            network=recipe.network.name,
            network_arguments=recipe.network.arguments,
            embedding_size=recipe.network.embedding_size,
            input=recipe.input,
            head=recipe.head.name,
            head_arguments=recipe.head.arguments,
            identities=len(identities),
            recipe_digest=recipe.digest(),
        )
        if ranks.first:
            save_model(model, network, description)
        ranks.wait()  # until the model is there
        return model


def check_batch(recipe: Recipe, parts: int) -> None:
    """Refuse a batch of one image where the network normalises over it, in each of so many `parts`."""
    if recipe.batch_size >= 2 * parts:
        return
    if any(isinstance(m, nn.BatchNorm1d) for m in recipe.network.build(recipe.input).modules()):
        raise RecipeError(
            f"batch_size: {recipe.network.name} normalises over the images of a batch; "
            f"give at least {2 * parts}"
        )


def follow(trainer: Trainer, log: Path, checkpoint: Path) -> None:
    """Run `trainer` to its end: log lines, a progress bar, a checkpoint each epoch and when interrupted.

    Of several ranks, all stop after the same step, and the first writes.
    """
    ranks = trainer.ranks
    if ranks.first:
        write_text(log, "".join(kept_lines(log, trainer.step)))
    per_epoch = trainer.loader.batches_per_epoch
    bar = progress("training", " steps", trainer.total_steps, ranks, trainer.step)
    log = log if ranks.first else Path(os.devnull)
    with bar, log.open("a", encoding="utf-8") as file, Interruption() as interruption:
        for line in trainer.run():
            bar.update()
            if line is not None:
                file.write(json.dumps(line) + "\n")
                file.flush()
                bar.set_postfix_str(
                    f"loss {line['loss']:.3f}, accuracy {100 * line['accuracy']:.1f} %, "
                    f"{line['images_per_second']:.0f} images/s"
                )
            last = trainer.step == trainer.total_steps
            stop = ranks.any(interruption.requested)
            if stop or last or trainer.step % per_epoch == 0:
                state = trainer.state()
                if ranks.first:
                    save_checkpoint(checkpoint, state)
            if stop and not last:
                raise Interrupted(
                    f"stopped after step {trainer.step} of {trainer.total_steps}; "
                    "go on with the same command and --resume"
                )


def opening(recipe: Recipe, environment: Mapping[str, Any]) -> str:
    """What is trained, on what, where: one line."""
    found = "{images:,} images of {identities:,} identities; {parameters:,} parameters".format(**environment)
    where = "{device}, {precision}; {classifier} classifier".format(**environment)
    return f"{recipe.network.name} with {recipe.head.name}: {found}; {where}"


def describe_environment(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """What a run's numbers depend on besides the recipe."""
    return {
        "nsface": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or "cpu",
        "precision": str(dtype).removeprefix("torch."),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
