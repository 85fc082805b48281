"""The state from which a training continues to the same bits.

Random numbers need no place in it: every draw depends on the run's seed and the step alone (`nsface.seeds`).
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from nsface.errors import ModelError, NsfaceError
from nsface.files import reason, replacing

PARTS = {"step", "network", "head", "auxiliary", "optimizer", "meter"}  # see Trainer.state


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, text, and dicts and lists of them), whole or not at all.

    Raises:
        NsfaceError: it cannot be written.
    """
    with replacing(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # what a full disk is to it
            raise NsfaceError(
                f"cannot write {path}: {str(error).splitlines()[0]}; is the disk full?"
            ) from error


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; nothing but tensors and plain values is unpickled.

    Raises:
        ModelError: missing or damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {reason(error)}") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ModelError(f"{path}: not a checkpoint of nsface, or a damaged one") from error
    if not isinstance(state, dict) or not state.keys() >= PARTS:
        raise ModelError(f"{path}: not a checkpoint of nsface")
    return state
