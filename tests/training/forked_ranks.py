"""Ranks on Gloo as processes that one server forks, so that PyTorch is loaded once for all of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from nsface.ranks import Ranks, joined
from nsface.recipe.schema import Recipe
from nsface.training.loop import Interrupted
from nsface.training.run import train
from nsface.training.trainer import Trainer

IDENTITIES = 7  # divides among neither 2 nor 3 ranks
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["torch", "torch._dynamo", "nsface.training.run"])


def run_on(count: int, messages: Path, function: Callable[..., None], *arguments: Any) -> list[int]:
    """Call `function(ranks, *arguments)` on `count` ranks; their exit statuses, below 0 those of signals.

    What they write, tracebacks too, is added to the file `messages`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free.getsockname()[1], "WORLD_SIZE": count}
    processes = [
        SERVER.Process(
            target=_rank,
            args=(where | {"RANK": rank, "LOCAL_RANK": rank}, messages, function, arguments),
            daemon=True,
        )
        for rank in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    statuses = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return [int("none" if status is None else status) for status in statuses]


def _rank(
    place: dict[str, Any], messages: Path, function: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    os.environ |= {name: str(value) for name, value in place.items()}
    handle = os.open(messages, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for standard in (1, 2):
        os.dup2(handle, standard)
    torch.set_num_threads(1)
    with joined() as ranks:
        function(ranks, *arguments)


def stop_after(step: int, ranks: Ranks, chosen: Recipe, out: Path) -> None:
    """Train up to `step`, where the first rank alone gets a SIGTERM."""
    take = Trainer._train_step

    def and_stop(self: Trainer, *arguments: Any) -> Any:
        result = take(self, *arguments)
        if self.step == step and ranks.first:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_train_step", and_stop)
        with pytest.raises(Interrupted, match=f"after step {step} "):
            train(chosen, out, ranks=ranks)
    ranks.wait()


def write_faces(folder: Path) -> Path:
    """Noise that differs from identity to identity: six images of 16 × 16 of each."""
    draw = np.random.default_rng(0)
    for identity in range(IDENTITIES):
        (folder / str(identity)).mkdir(parents=True)
        face = draw.integers(0, 256, (16, 16, 3))
        for image in range(6):
            pixels = np.clip(face + draw.integers(-50, 50, face.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / str(identity) / f"{image}.png"), pixels)
    return folder


def settings(faces: Path, **changes: Any) -> dict[str, Any]:
    """A network without batch normalisation, no random augmentation, three steps an epoch."""
    sizes = {} if "sampler" in changes else {"batch_size": 12}
    return {
        "data": str(faces),
        "input": {"height": 16, "width": 16},
        "network": {"name": "sphereface-4", "embedding_size": 8},
        "head": {"name": "softmax", "bias": True},
        "augmentation": {"mirror": False},
        "optimizer": {"learning_rate": 0.1, "nesterov": True},
        "schedule": {"kind": "cosine"},
        "epochs": 2,
        "log_every": 1,
        "device": "cpu",
        "precision": "fp32",
        **sizes,
        **changes,
    }
