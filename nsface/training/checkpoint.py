"""The state from which a training continues to the same bits.

Random numbers need no place in it: every draw depends on the run's seed and the step alone (`nsface.seeds`).
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from nsface.errors import ModelError
from nsface.files import reason, replacing


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, text, and dicts and lists of them), whole or not at all."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


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
        raise ModelError(
            f"{path}: not a checkpoint of nsface, or a damaged one ({str(error).splitlines()[0]})"
        ) from error
    return state
