"""A model for tests that is made, and embeds, in milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nsface.model import Description, save_model
from nsface.preprocessing import Preprocessing


def tiny_description(embedding_size: int = 16, **preprocessing: Any) -> Description:
    """What the file of an untrained light-resnet says, whose images are made as `preprocessing` says."""
    return Description(
        network="light-resnet",
        network_arguments={"channels": 8},
        embedding_size=embedding_size,
        input=Preprocessing(**preprocessing),
        head="softmax",
        head_arguments={},
        identities=2,
        recipe_digest="",
    )


def write_tiny_model(path: Path, seed: int = 0, embedding_size: int = 16, **preprocessing: Any) -> Path:
    """Write such a model, its weights drawn by `seed`; returns `path`."""
    description = tiny_description(embedding_size, **preprocessing)
    torch.manual_seed(seed)
    save_model(path, description.build(), description)
    return path
