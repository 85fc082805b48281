"""What environment.json says of a run: how, when, on what and with which data it was trained."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from typing import Any

import numpy as np
import torch

from nsface import __version__
from nsface.images.rendered import rendered_meta
from nsface.images.sources import Source
from nsface.installation import source_commit
from nsface.training.trainer import Trainer


def describe_environment(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Versions, device and threads: what the numbers of a run depend on besides the recipe."""
    return {
        "nsface": __version__,
        **({"commit": commit} if (commit := source_commit()) else {}),
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


def describe_data(source: Source, images: int, identities: int) -> dict[str, Any]:
    """The fingerprint and the size of the training set, and whether its faces are rendered."""
    size = {"data": source.fingerprint(), "images": images, "identities": identities}
    return size | rendered_meta(source.location)


def describe_parts(trainer: Trainer) -> dict[str, Any]:
    """The number of ranks, the number of weights of the network, and the forms of its arithmetic."""
    return {
        "tf32": trainer.take_step.tf32,
        "ranks": trainer.ranks.count,
        "parameters": sum(p.numel() for p in trainer.network.parameters()),
        "classifier": trainer.head.classifier_form(trainer.recipe.batch_size),
        **trainer.compile().describe(),
    }


def utc_now() -> str:
    """The time to the second: `2026-11-26T07:40:12+00:00`."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
