"""A model in use: a network on its device, which turns images in memory into embeddings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nsface import __version__
from nsface.device import DeviceChoice, PrecisionChoice, check_choice, pick_device, pick_precision, tf32
from nsface.embeddings.meta import SELECTED_ON
from nsface.errors import DataError, NsfaceError, shown
from nsface.files import digest
from nsface.model import Description, Selection, read_model
from nsface.networks.folding import fold_batch_norms
from nsface.onnx.file import is_onnx
from nsface.preprocessing import Preprocessing
from nsface.presets import completed_preprocessing

Flip = Literal["none", "sum", "concat"]
Vectors = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8] | Tensor
_PIECE = 32  # images that a CPU is given at once: the maps of more do not stay in its caches


@dataclass(frozen=True)
class Model:
    """A network that embeds images; `load_model` makes one.

    Attributes:
        path: the model file.
        network: maps normalised images (B, 3, H, W) to embeddings (B, D); in eval mode, on `device`.
        input: size and preprocessing of the images.
        embedding_size: D.
        device: where the network runs.
        dtype: the type that its convolutions run in.
        description: the header of a model file of nsface; None for a network of another kind.
        calculation: what `meta` says of how it is calculated, where that is not `dtype` alone.
        weights_beside: names of the files in the folder of the model file that hold weights of it.
        piece: how many images of a batch go through the network at once; None for all.
    """

    path: str
    network: nn.Module
    input: Preprocessing
    embedding_size: int
    device: torch.device
    dtype: torch.dtype
    description: Description | None = None
    calculation: Mapping[str, Any] = field(default_factory=dict)
    weights_beside: Sequence[str] = ()
    piece: int | None = None

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the model file, and of the files with its weights, in hexadecimal."""
        return digest(self.path, *(Path(self.path).with_name(name) for name in self.weights_beside))

    @property
    def _selection(self) -> Selection | None:
        return self.description.selection if self.description else None

    def meta(self, flip: Flip) -> dict[str, Any]:
        """The `meta` of an embeddings file: how the embeddings of this model were made."""
        return {
            "model": self.path,
            "model_digest": self.digest,
            "flip": flip,
            "precision": str(self.dtype).removeprefix("torch."),
            "preprocessing": self.input.model_dump(mode="json"),
            "nsface": __version__,
            **self.calculation,
            **({SELECTED_ON: chosen.list_digest} if (chosen := self._selection) else {}),
        }

    def embed(self, images: Images, *, flip: Flip = "sum", batch_size: int = 128) -> Vectors:
        """Embed images that are in memory, as `nsface extract` embeds files.

        Colour, mean and std are the model's affair: give pixels as they are. Faces must be aligned to the
        template `input.template`, as `nsface align` does it.

        Args:
            images: N RGB images of type uint8: an array (N, H, W, 3) or a tensor (N, 3, H, W). Without the
                first dimension it is one image. OpenCV reads BGR: give `image[..., ::-1]`.
            flip: what the mirrored image adds: nothing ("none"), its embedding to the original's ("sum"), or
                its embedding after the original's ("concat", twice the size).
            batch_size: how many images go through the network at once; memory grows with it.

        Returns:
            (N, D) float32, not normalised; (1, D) for one image.

        Raises:
            DataError: pixels of another type, or images of another shape or size than the model's.
            NsfaceError: there is no such `flip`, or `batch_size` is below 1.

        Example:
            >>> model = load_model("model.safetensors")  # doctest: +SKIP
            >>> vectors = model.embed(cv2.imread("face.jpg")[..., ::-1])  # doctest: +SKIP
        """
        if not isinstance(images, np.ndarray | Tensor):
            raise DataError(
                f"images as a {type(images).__name__}; give an array or a tensor, of several images "
                "`np.stack(images)`, of files what nsface.extract makes"
            )
        check_options(flip, batch_size)
        images = images[None] if images.ndim == 3 else images
        self._check(images)
        size = self.embedding_size * (2 if flip == "concat" else 1)
        parts = [np.empty((0, size), np.float32)]
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            if not isinstance(batch, Tensor):
                batch = channels_first(np.array(batch))  # a copy: torch takes no mirrored or read-only arrays
            parts.append(as_array(self.start_batch(batch, flip)))
        return np.concatenate(parts)

    def start_batch(self, pixels: Tensor, flip: Flip) -> Tensor:
        """Embeddings (B, D) of uint8 pixels (B, 3, H, W) of the model's size; `flip` as for `embed`.

        They are on the model's device. A GPU may compute them after this has returned.
        """
        images = pixels.to(self.device, memory_format=torch.channels_last).float()
        images = self.input.normalise(images)
        reduced = self.dtype != torch.float32
        autocast = torch.autocast(self.device.type, self.dtype, enabled=reduced)
        with torch.inference_mode(), autocast, tf32(reduced, self.device):
            made = self._outputs(images)
            if flip != "none":
                mirrored = self._outputs(images.flip(3))
                made = made + mirrored if flip == "sum" else torch.cat([made, mirrored], dim=1)
        return made

    def _outputs(self, images: Tensor) -> Tensor:
        """What the network makes of normalised images, float32."""
        pieces = images.split(self.piece) if self.piece else [images]
        return torch.cat([self.network(piece).float() for piece in pieces])

    def _check(self, images: Images) -> None:
        """Refuse what is no batch of images of the model's size."""
        expected = self.input
        height, width = expected.height, expected.width
        tensor = isinstance(images, Tensor)
        if images.dtype not in (np.uint8, torch.uint8):
            kind = str(images.dtype).removeprefix("torch.")
            raise DataError(
                f"images of type {kind}; give uint8 pixels from 0 to 255, which the model normalises itself"
            )
        shape, channels = tuple(images.shape), 1 if tensor else 3
        if len(shape) != 4 or shape[channels] != 3:
            what, shape_needed = ("a tensor", "(N, 3, H, W)") if tensor else ("an array", "(N, H, W, 3)")
            raise DataError(f"{what} of shape {shape} holds no RGB images; give {shape_needed}")
        found = shape[2:] if tensor else shape[1:3]
        if found != (height, width):
            raise DataError(
                f"images of {found[0]} × {found[1]} pixels; {shown(self.path)} takes {height} × {width} "
                f"(height × width), aligned to the template '{shown(expected.template)}': see `nsface align`"
            )


def check_options(flip: str, batch_size: int) -> None:
    """Refuse options that no extraction can have.

    Raises:
        NsfaceError: there is no such `flip`, or `batch_size` is below 1.
    """
    check_choice("flip", flip, Flip)
    if batch_size < 1:
        raise NsfaceError(f"batch_size must be 1 or more, not {batch_size}")


def as_array(vectors: Tensor) -> Vectors:
    """Embeddings on any device as an array, as soon as they are computed."""
    return cast(Vectors, vectors.cpu().numpy())


def channels_first(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """The tensor (B, 3, H, W) on the memory of an array (B, H, W, 3)."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def load_model(
    path: str | os.PathLike[str],
    *,
    device: DeviceChoice = "auto",
    precision: PrecisionChoice = "auto",
    preprocessing: Mapping[str, Any] | None = None,
    preset: str | None = None,
    onnx_output: str | None = None,
) -> Model:
    """Read a model file or an ONNX file, ready to embed images.

    Args:
        path: the `model.safetensors` of a run, or an ONNX file, which needs the extra `onnx`.
        device: "auto" is CUDA where there is a usable one, else the CPU.
        precision: the arithmetic of convolutions; "auto" is "bf16" where the hardware has it, else "fp32". An
            ONNX file has its own.
        preprocessing: fields of `Preprocessing` that the file does not say, such as `{"colour": "BGR"}`. What
            nsface has written says all, another ONNX file the size of the images at most.
        preset: a key of `nsface.presets.PRESETS`, for what neither says.
        onnx_output: the output of an ONNX file that has the embeddings, where several may have them.

    Raises:
        ModelError: the file is missing, is no model file of nsface and no ONNX file of a recogniser, or its
            weights do not fit its header.
        NsfaceError: CUDA is asked for and not there; or `preprocessing` contradicts the file, or is not
            enough.

    Example:
        >>> model = load_model("runs/a/model.safetensors", device="cpu")  # doctest: +SKIP
        >>> model = load_model("w600k_r50.onnx", preset="arcface_torch")  # doctest: +SKIP
    """
    given = dict(preprocessing or {})
    if os.path.isfile(path) and is_onnx(path):
        return _load_onnx(path, device, precision, given, preset, onnx_output)
    place = pick_device(device)
    network, description = read_model(path)
    completed_preprocessing(os.fspath(path), given, description.input.model_dump(), preset)
    if onnx_output is not None:
        raise NsfaceError(f"{shown(path)}: no ONNX file; leave out --onnx-output")
    return in_use(os.fspath(path), network, description, place, pick_precision(precision, place))


def in_use(
    path: str, network: nn.Module, description: Description, device: torch.device, dtype: torch.dtype
) -> Model:
    """The model `description` in use, with `network`, which is in eval mode on the CPU and is changed.

    Args:
        path: what to call it.
        device: where it is to run.
        dtype: the type that its convolutions are to run in.
    """
    fold_batch_norms(network)
    return Model(
        path=path,
        network=network.to(device).to(memory_format=torch.channels_last),
        input=description.input,
        embedding_size=description.embedding_size,
        device=device,
        dtype=dtype,
        description=description,
        piece=_PIECE if device.type == "cpu" else None,
    )


def _load_onnx(
    path: str | os.PathLike[str],
    device: DeviceChoice,
    precision: PrecisionChoice,
    given: Mapping[str, Any],
    preset: str | None,
    output: str | None,
) -> Model:
    from nsface.onnx.network import read_network

    network = read_network(
        path, device=device, precision=precision, given=given, preset=preset, output=output
    )
    return Model(
        path=os.fspath(path),
        network=network,
        input=network.probed.input,
        embedding_size=network.probed.embedding_size,
        device=torch.device("cpu"),  # where it takes and gives tensors
        dtype=torch.float32,
        calculation=network.meta,
        weights_beside=network.probed.weights_beside,
    )
