"""Weights that others trained, made into a model file of nsface."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nsface.errors import ModelError, counted, joined, listing, shown
from nsface.files import digest
from nsface.finite import not_finite
from nsface.importing.recognition import COUNTER, Recognised, is_number, recognise
from nsface.importing.weights_file import read_tensors
from nsface.model import Description, Origin, plan_network, save_model
from nsface.preprocessing import Preprocessing
from nsface.presets import completed_preprocessing

_DEPTH = re.compile(r"(?:^|[^a-z])(?:iresnet|resnet|ir|r)[-_]?(18|34|50|100|101|152|200)(?!\d)")
_NAMES_OF_100 = {"100", "101"}  # both are said of the layout with 3, 13, 30 and 3 blocks


@dataclass(frozen=True)
class Imported:
    """A network with the weights of others.

    Attributes:
        network: in eval mode, on the CPU.
        description: the header of the model file.
        notes: sentences on what was left out, converted, or is not what the name of the file says.
    """

    network: nn.Module
    description: Description
    notes: list[str]

    @property
    def summary(self) -> str:
        """What it is, in a line."""
        made, images = self.description, self.description.input
        return (
            f"{made.network}, embeddings of {made.embedding_size}, {images.size} {images.colour}, "
            f"mean {images.mean}, std {images.std}, template {images.template}"
        )


def import_model(
    weights: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    preset: str | None = None,
    network: str | None = None,
    **preprocessing: Any,
) -> Imported:
    """Make a model file from weights that others trained.

    The network, its depth, the embedding size and the size of the images are told from the tensors. What
    they do not tell must be given: a network that gets BGR for RGB still gives embeddings, but worse ones.

    Args:
        weights: a file of PyTorch or safetensors with a state dict of arcface_torch's iResNet, of AdaFace's
            or CVLface's IR, or of another network in `nsface.networks.NETWORKS`, alone or in a checkpoint.
            Nothing in it is executed.
        output: the model file to write.
        preset: where the weights come from, a key of `nsface.presets.PRESETS`.
        network: a key of `NETWORKS`; any other network is then refused.
        preprocessing: fields of `nsface.preprocessing.Preprocessing` that differ from the preset, or all.

    Raises:
        ModelError: the file cannot be read without executing code, is damaged, or its tensors are not the
            finite weights of a network that nsface has.
        NsfaceError: no such preset, preprocessing that is unknown or contradicts the tensors, or `output`
            cannot be written.

    Example:
        >>> nsface.import_model("backbone.pth", "r50.safetensors", preset="arcface_torch")  # doctest: +SKIP
    """
    where = shown(weights)
    found = recognise(read_tensors(weights), where, network)
    images = _preprocessing(where, found, preset, preprocessing)
    made = _loaded(where, found, images, os.stat(weights).st_size)
    description = Description(
        network=found.network,
        network_arguments={},
        embedding_size=found.embedding_size,
        input=images,
        head="none",
        head_arguments={},
        identities=0,
        recipe_digest="",
        origin=Origin(file=Path(weights).name, digest=digest(weights), preset=preset),
    )
    save_model(output, made, description)
    return Imported(made.eval(), description, _notes(where, Path(weights).name, found))


def _preprocessing(
    where: str, found: Recognised, preset: str | None, given: Mapping[str, Any]
) -> Preprocessing:
    """What the user says, and the size that the tensors say where the user does not."""
    known: dict[str, Any] = {}
    if found.size and not given.keys() & {"height", "width"}:
        known = {"height": found.size[0], "width": found.size[1]}
    return completed_preprocessing(where, given, known, preset)


def _loaded(where: str, found: Recognised, images: Preprocessing, file_size: int) -> nn.Module:
    """The network with its weights in float32.

    Raises:
        ModelError: a shape or type is wrong, or numbers are not finite.
    """
    expected = plan_network(found.network, images, found.embedding_size, {}).state_dict()
    for name, tensor in found.weights.items():
        if not is_number(tensor):
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ModelError(f"{where}: {name} is {kind}, quantised or sparse; give weights as plain floats")
        if tensor.shape != expected[name].shape:
            raise ModelError(
                f"{where}: {name} is {tuple(tensor.shape)}, and {found.network} for images of {images.size} "
                f"(height × width) has {tuple(expected[name].shape)}{_size_remedy(found, name, expected)}"
            )
    if sum(tensor.nbytes for tensor in found.weights.values()) > file_size:
        raise ModelError(f"{where}: damaged: its tensors repeat a few bytes")
    weights = {name: tensor.to(torch.float32) for name, tensor in found.weights.items()}
    if broken := not_finite(weights):
        raise ModelError(f"{where}: weights are not finite ({listing(broken, 3)}); it is of no use")
    network = plan_network(found.network, images, found.embedding_size, {})
    counters = {n: torch.zeros((), dtype=torch.long) for n in expected if n.endswith(COUNTER)}
    network.load_state_dict(weights | counters, assign=True)
    return network


def _size_remedy(found: Recognised, name: str, expected: Mapping[str, Tensor]) -> str:
    """The end of a message about a wrong shape: the images have another size, or the layers other widths."""
    if found.weights[name].ndim != 2 or found.weights[name].shape[:1] != expected[name].shape[:1]:
        return "; the file is of a network with other widths"
    fits = " {}×{}".format(*found.size) if found.size else " another size"
    return f"; the weights are for images of{fits}: change --input-size"


def _notes(where: str, file_name: str, found: Recognised) -> list[str]:
    notes = []
    depth = found.network.rpartition("-")[2]
    same = _NAMES_OF_100 if depth in _NAMES_OF_100 else {depth}
    said = set(_DEPTH.findall(file_name.lower()))
    if said and not said & same:
        notes.append(
            f"{where}: its name says {joined(sorted(said))}, but its tensors are those of {found.network}"
        )
    kinds = {str(t.dtype).removeprefix("torch.") for t in found.weights.values()} - {"float32"}
    if kinds:
        notes.append(f"{where}: weights in {', '.join(sorted(kinds))} were converted to float32")
    if found.left_out:
        notes.append(
            f"{where}: {counted(len(found.left_out), 'tensor')} left out, not of the network: "
            f"{listing(found.left_out, 3)}"
        )
    return notes
