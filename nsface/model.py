"""The model file: the weights of a network, and everything that is needed to use them.

`model.safetensors` holds the weights and, in its header under `nsface`, a JSON description. Every reader of a
model takes the input size, colour order, normalisation and alignment template from there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from nsface import __version__, networks
from nsface.arguments import ArgumentError
from nsface.errors import ModelError, NsfaceError, listing, shown
from nsface.files import reason, replacing
from nsface.finite import not_finite
from nsface.preprocessing import Preprocessing
from nsface.untrusted import first_fault
from nsface.weightless import weightless

HEADER = "nsface"
MAX_EMBEDDING_SIZE = 1 << 20
MAX_WHOLE_NUMBER = 1024  # among the arguments of a network, such as a number of channels
MAX_WEIGHTS = 1 << 33  # of a network
_SOMETIMES = ("origin", "selection")  # keys of the header that are left out where there is nothing to say


class Origin(BaseModel):
    """Where imported weights came from.

    Attributes:
        file: the name of the file, without its folder.
        digest: its SHA-256, in hexadecimal.
        preset: the key of `nsface.presets.PRESETS` that the preprocessing is from, if one was given.
    """

    model_config = ConfigDict(extra="forbid")

    file: str
    digest: str
    preset: str | None = None


class Selection(BaseModel):
    """How a model was chosen among the states of its training: by the highest accuracy in a validation.

    Attributes:
        step, epoch: of the state that was chosen.
        validation: the name of the validation that chose.
        accuracy, standard_error, auc: what it measured of this state, fractions.
        list_digest: the SHA-256 of its list of pairs, or of its `.bin` set, in hexadecimal.
        held_out: whether its pairs are of identities of the training set that were held out of the training;
            else they are a test list, on which the score of this model is too high.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    step: int = Field(ge=0)
    epoch: float
    validation: str
    accuracy: float
    standard_error: float
    auc: float
    list_digest: str
    held_out: bool = False


class Description(BaseModel):
    """The JSON header of a model file: all that is known of a model besides its weights.

    Attributes:
        network, network_arguments: a key of `nsface.networks.NETWORKS`, and arguments of that network.
        embedding_size: D.
        input: size and preprocessing of the images.
        head, head_arguments: a key of `nsface.heads.HEADS`, and arguments of that head; "none" for imported
            weights.
        identities: C, how many identities the model was trained with; 0 for imported weights.
        recipe_digest: the digest of the recipe; empty for imported weights.
        version: the version of nsface.
        origin: where imported weights came from; None, and not in the file, for a model that nsface trained.
        selection: how the model was chosen during its training; None, and not in the file, where it is the
            last state.
    """

    model_config = ConfigDict(extra="forbid")

    network: str
    network_arguments: dict[str, Any]
    embedding_size: int = Field(ge=1, le=MAX_EMBEDDING_SIZE)
    input: Preprocessing
    head: str
    head_arguments: dict[str, Any]
    identities: int = Field(ge=0)
    recipe_digest: str
    version: str = __version__
    origin: Origin | None = None
    selection: Selection | None = None

    def to_json(self) -> str:
        """The JSON in the header."""
        return self.model_dump_json(exclude={key for key in _SOMETIMES if getattr(self, key) is None})

    def build(self) -> nn.Module:
        """The network described, with fresh weights.

        Raises:
            ModelError: there is no such network.
        """
        return build_network(self.network, self.input, self.embedding_size, self.network_arguments)


def build_network(
    name: str, images: Preprocessing, embedding_size: int, arguments: Mapping[str, Any]
) -> nn.Module:
    """The network `name` for the size of `images`, with fresh weights from torch's global generator.

    Raises:
        ModelError, ArgumentError: as `plan_network`.
    """
    plan_network(name, images, embedding_size, arguments)
    return _network(name, images, embedding_size, arguments)


def plan_network(
    name: str, images: Preprocessing, embedding_size: int, arguments: Mapping[str, Any]
) -> nn.Module:
    """The network `name` for the size of `images`, without weights: nothing is allocated or drawn.

    Raises:
        ModelError: no such network, sizes that do not fit, or more weights than are allowed.
        ArgumentError: no such argument, or a value of another type or beyond all bounds.
    """
    for key, value in arguments.items():
        if key in ("height", "width"):
            raise ArgumentError(
                f"{key}: the size of the images is no argument of a network; give input.{key}"
            )
        check_whole_numbers(key, value, MAX_WHOLE_NUMBER)

    with weightless():
        network = _network(name, images, embedding_size, arguments)
    if (weights := sum(p.numel() for p in network.parameters())) > MAX_WEIGHTS:
        raise ModelError(f"{name} would have {weights:,} weights; nsface takes at most {MAX_WEIGHTS:,}")
    return network


def _network(
    name: str, images: Preprocessing, embedding_size: int, arguments: Mapping[str, Any]
) -> nn.Module:
    return networks.build(
        name, height=images.height, width=images.width, embedding_size=embedding_size, **arguments
    )


def check_whole_numbers(key: str, value: Any, most: int) -> None:
    """Refuse whole numbers beyond ±`most` in the argument `key`, and in lists and dictionaries in it.

    Raises:
        ArgumentError: there is such a number.
    """
    if isinstance(value, int) and abs(value) > most:
        raise ArgumentError(f"{shown(key)}: a whole number may be {most:,} at most")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        check_whole_numbers(key, part, most)


def save_model(path: str | os.PathLike[str], network: nn.Module, description: Description) -> None:
    """Write `network` and `description` to `path`, whole or not at all.

    Raises:
        NsfaceError: the weights are not finite, or the file cannot be written.
    """
    save_weights(path, network.state_dict(), description)


def save_weights(path: str | os.PathLike[str], state: Mapping[str, Tensor], description: Description) -> None:
    """Write the weights `state` of a network and its `description` to `path`, as `save_model` does."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    if broken := not_finite(weights):
        raise NsfaceError(
            f"{shown(path)}: not written: weights are not finite ({listing(broken, 3)}); "
            "lower optimizer.learning_rate, lengthen schedule.warmup or set optimizer.clip_norm"
        )
    with replacing(path) as temporary:  # save_file would replace it by a file with other permissions
        temporary.write_bytes(save(weights, metadata={HEADER: description.to_json()}))


def read_model(path: str | os.PathLike[str]) -> tuple[nn.Module, Description]:
    """Read a model file: the network in eval mode on the CPU, and its description.

    Raises:
        ModelError: the file is missing, is no model file of nsface, or its weights do not fit its header.
    """
    weights, description = _read(path)
    where = shown(path)
    try:
        network = _assigned(description, weights)
    # not all that a header can ask for is foreseen: networks raise what PyTorch raises
    except (NsfaceError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        summary = shown(str(error).splitlines()[0])
        raise ModelError(f"{where}: its header and weights do not fit together ({summary})") from error
    if broken := not_finite(weights):
        raise ModelError(
            f"{where}: its weights are not finite ({listing(broken, 3)}); train it again, with a lower rate"
        )
    return network.eval(), description


def network_of(description: Description, weights: Mapping[str, Tensor]) -> nn.Module:
    """The network described, in eval mode on the CPU, with a copy of `weights`. Nothing is drawn.

    Raises:
        ModelError: they do not fit.
    """
    return _assigned(description, dict(weights)).eval()


_REMEDY = "give the model.safetensors of a run; `nsface import` makes a model file from weights of others"


def read_description(path: str | os.PathLike[str]) -> Description:
    """The description in the header of a model file.

    Raises:
        ModelError: the file is missing, or is no model file of nsface.
    """
    return _read(path, weights=False)[1]


def _read(path: str | os.PathLike[str], *, weights: bool = True) -> tuple[dict[str, Tensor], Description]:
    where = shown(path)
    if os.path.isdir(path):
        raise ModelError(f"{where}: a folder, not a model file; give the model.safetensors of a run")
    refuse_pipe(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(HEADER)
            found = {name: file.get_tensor(name) for name in file.keys()} if weights else {}  # noqa: SIM118
    except OSError as error:
        raise ModelError(f"{where}: cannot be read: {reason(error)}") from error
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"{where}: not a model file ({shown(error)}); {_REMEDY}") from error
    if header is None:
        raise ModelError(f"{where}: a safetensors file, but not one that nsface wrote; {_REMEDY}")
    try:
        return found, Description.model_validate_json(header)
    except ValidationError as error:
        place, problem = first_fault(error)
        raise ModelError(f"{where}: a damaged header ({place or 'header'}: {problem})") from error


def refuse_pipe(path: str | os.PathLike[str]) -> None:
    """Raise a ModelError about a pipe or a device, which would be waited for, or can be read only once.

    A path at which nothing is passes: it is reported where it is opened.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise ModelError(f"{shown(path)}: a pipe or a device; save the model in a file, and give that")


def _assigned(description: Description, weights: dict[str, Tensor]) -> nn.Module:
    """The network described, with `weights`, which are copied one by one.

    They become tensors of its types, convolutions in the channels-last format, in memory of their own and no
    longer in the file. The network then takes them as they are: no weights are allocated, drawn and copied
    only to be replaced.

    Raises:
        ModelError: they do not fit.
    """
    network = plan_network(
        description.network, description.input, description.embedding_size, description.network_arguments
    )
    expected = network.state_dict()
    for name, tensor in expected.items():
        if name not in weights:
            raise ModelError(f"no {name} among the weights")
        if weights[name].shape != tensor.shape:
            raise ModelError(f"{name}: {tuple(weights[name].shape)} in place of {tuple(tensor.shape)}")
        layout = torch.channels_last if tensor.dim() == 4 else torch.preserve_format
        weights[name] = weights[name].to(tensor.dtype, copy=True, memory_format=layout)
    if unknown := sorted(weights.keys() - expected.keys()):
        raise ModelError(f"weights of no layer: {listing(unknown, 3)}")
    network.load_state_dict(weights, assign=True)
    return network
