"""The model file: weights, and everything needed to use them rightly.

`model.safetensors` holds the network's weights and, in its header under `nsface`, a JSON description. Whoever
reads a model takes input size, colour order, normalisation and alignment template from there.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from nsface import __version__, networks
from nsface.errors import ModelError, NsfaceError, listing
from nsface.files import reason, replacing

HEADER = "nsface"


class Preprocessing(BaseModel):
    """What an image must be, and how pixels become the network's input: (pixel − mean) / std.

    Attributes:
        height, width: in pixels.
        colour: order of the channels.
        mean, std: in units of pixels in [0, 255], the same for each channel.
        template: name of the five-point template that the faces are aligned to.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    height: int = Field(default=112, ge=1)
    width: int = Field(default=96, ge=1)
    colour: Literal["RGB"] = "RGB"
    mean: float = 127.5
    std: float = Field(default=128.0, gt=0)
    template: str = "sphereface"

    def normalise(self, pixels: Tensor) -> Tensor:
        """(pixels − mean) / std of float images of any shape."""
        return (pixels - self.mean) / self.std


class Description(BaseModel):
    """The JSON header of a model file."""

    model_config = ConfigDict(extra="forbid")

    network: str
    network_arguments: dict[str, Any]
    embedding_size: int
    input: Preprocessing
    head: str
    head_arguments: dict[str, Any]
    identities: int
    recipe_digest: str
    version: str = __version__

    def build(self) -> nn.Module:
        """The network described, with fresh weights."""
        return networks.build(
            self.network,
            height=self.input.height,
            width=self.input.width,
            embedding_size=self.embedding_size,
            **self.network_arguments,
        )


def save_model(path: str | os.PathLike[str], network: nn.Module, description: Description) -> None:
    """Write `network` and `description` to `path`, whole or not at all.

    Raises:
        NsfaceError: weights that are not finite, or it cannot be written.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    broken = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if broken:
        raise NsfaceError(
            f"{path}: not written: weights are not finite ({listing(broken, 3)}); "
            "lower optimizer.learning_rate, lengthen schedule.warmup or set optimizer.clip_norm"
        )
    with replacing(path) as temporary:
        try:
            save_file(weights, temporary, metadata={HEADER: description.model_dump_json()})
        except SafetensorError as error:
            raise NsfaceError(f"cannot write {path}: {error}") from error


def load_model(path: str | os.PathLike[str]) -> tuple[nn.Module, Description]:
    """Read a model file: the network in eval mode on the CPU, and its description.

    Raises:
        ModelError: missing, not a model file of nsface, or weights that do not fit the network described.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(HEADER)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {reason(error)}") from error
    except SafetensorError as error:
        raise ModelError(
            f"{path}: not a model file ({error}); give the model.safetensors of a run"
        ) from error
    if header is None:
        raise ModelError(f"{path}: a safetensors file, but not one that nsface wrote")
    try:
        description = Description.model_validate_json(header)
        network = description.build()
        network.load_state_dict(weights)
    except (ValidationError, RuntimeError, NsfaceError) as error:
        summary = str(error).splitlines()[0]
        raise ModelError(f"{path}: its header and weights do not fit together ({summary})") from error
    return network.eval(), description


def digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the file at `path`."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
