"""What must be known of an ONNX file before it is run, found in a process of its own.

ONNX Runtime trusts the graphs that it is given: a damaged one can end the process, or ask for all memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from nsface.errors import ModelError, shown
from nsface.onnx.file import metadata, read_onnx
from nsface.onnx.graph import (
    INT8,
    ImageInput,
    check_operations,
    drop_needless_inputs,
    free_batch,
    image_input,
    precision,
)
from nsface.onnx.runtime import Runner
from nsface.preprocessing import Preprocessing
from nsface.presets import completed_preprocessing
from nsface.untrusted import limit_memory

if TYPE_CHECKING:
    from onnx import ModelProto

Pair = npt.NDArray[np.float32]
_MEMORY = 4 << 30  # bytes that trying a graph may take, besides several times the size of its file
_SAME = 1e-4  # difference between two embeddings of one image, in parts of the largest number in them


class Probed(NamedTuple):
    """A network in an ONNX file, ready to be run.

    Attributes:
        graph: the model, changed so that ONNX Runtime runs it.
        image: its input; `batch` is None where images may be run in batches of any size.
        output: the name of the output with the embeddings.
        embedding_size: D.
        input: the images that it takes.
        precision: of its calculations.
        weights_beside: names of the files in its folder that hold weights.
    """

    graph: bytes
    image: ImageInput
    output: str
    embedding_size: int
    input: Preprocessing
    precision: str
    weights_beside: list[str]


def probe(path: str, given: Mapping[str, Any], preset: str | None, output: str | None) -> Probed:
    """Read and try the network in an ONNX file; it is called in a process of its own.

    Args:
        given, preset: as for `completed_preprocessing`.
        output: the name of the output with the embeddings, None for the only one that can be.

    Raises:
        ModelError: the file is not that of a recogniser, or it cannot be run.
        NsfaceError: what is said of its images contradicts it, or is not enough.
    """
    model, beside = read_onnx(path)
    limit_memory(_MEMORY + 4 * model.ByteSize())
    check_operations(model, path)
    drop_needless_inputs(model)
    image = image_input(model, path)
    images = _preprocessing(model, image, path, given, preset)
    pair = _two_images(images)
    kind = precision(model)
    run = partial(Runner, where=path, threads=1, int8=kind == INT8)
    single = image._replace(batch=image.batch or 1)
    name, vectors = _embeddings(run, model, single, pair, output, path)
    _leave_only(model, name)
    graph = model.SerializeToString()
    free_batch(model, single.batch or 1)
    freed, free = model.SerializeToString(), image._replace(batch=None)
    same = _same_in_a_batch(partial(run, freed, free, [name]), pair, vectors)
    found = (freed, free) if same else (graph, single)
    return Probed(*found, name, int(np.prod(vectors.shape[1:])), images, kind, beside)


def _preprocessing(
    model: ModelProto, image: ImageInput, path: str, given: Mapping[str, Any], preset: str | None
) -> Preprocessing:
    """The images that the network takes, from its metadata, its graph, and what is said of it."""
    known = _said_by_metadata(model, path)
    for side in ("height", "width"):
        size = getattr(image, side)
        if size is not None and known.setdefault(side, size) != size:
            raise ModelError(f"{shown(path)}: its graph has a {side} of {size}, its metadata {known[side]}")
    images = completed_preprocessing(path, given, known, preset)
    if image.kind == "uint8" and (images.mean, images.std) != (0.0, 1.0):
        raise ModelError(
            f"{shown(path)}: its input takes pixels of type uint8, so that its mean is 0 and its std 1; "
            "give --mean 0 --std 1"
        )
    return images


def _said_by_metadata(model: ModelProto, path: str) -> dict[str, Any]:
    if not (content := metadata(model, path)):
        return {}
    try:
        return Preprocessing(**content["input"]).model_dump(exclude_unset=True)  # the defaults are not said
    except (ValidationError, TypeError) as error:
        raise ModelError(
            f"{shown(path)}: its metadata on images are not what `nsface export` writes"
        ) from error


def _two_images(images: Preprocessing) -> Pair:
    """(2, 3, H, W): normalised noise, with much contrast and with little."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, images.height, images.width))
    pixels[1] //= 4
    mean, std = (np.reshape(value, (-1, 1, 1)) for value in (images.mean, images.std))
    return np.asarray((pixels - mean) / std, np.float32)


def _embeddings(
    run: Callable[..., Runner],
    model: ModelProto,
    image: ImageInput,
    pair: Pair,
    output: str | None,
    path: str,
) -> tuple[str, npt.NDArray[Any]]:
    """The name of the output with the embeddings, and the embeddings of `pair`."""
    names = [value.name for value in model.graph.output]
    if output is not None and output not in names:
        raise ModelError(f"{shown(path)}: no output is called '{shown(output)}'; there are: {_listed(names)}")
    names = names if output is None else [output]
    runner = run(model.SerializeToString(), image, names)
    alone = [runner(one[None]) for one in pair]
    made = {name: np.concatenate(rows) for name, rows in zip(names, zip(*alone, strict=True), strict=True)}
    fitting = {name: value for name, value in made.items() if _is_embedding(value)}
    if not fitting:
        shapes = ", ".join(f"{shown(name)} {value.dtype} {value.shape[1:]}" for name, value in made.items())
        raise ModelError(f"{shown(path)}: no output is one embedding for an image: {shapes}")
    if len(fitting) > 1:
        sizes = ", ".join(f"{shown(name)} ({value[0].size})" for name, value in fitting.items())
        raise ModelError(
            f"{shown(path)}: several outputs may be the embedding: {sizes}; name it with --onnx-output"
        )
    ((name, vectors),) = fitting.items()
    if not np.isfinite(vectors).all():
        raise ModelError(f"{shown(path)}: its output {shown(name)} is not finite")
    return name, vectors


def _listed(names: list[str]) -> str:
    return ", ".join(map(shown, names))


def _is_embedding(value: npt.NDArray[Any]) -> bool:
    """Whether an output for two images, (2, …), is floats of shape (2, D, 1, …) with D > 1."""
    return value.dtype.kind == "f" and value.ndim > 1 and 1 < value.shape[1] == value[0].size


def _leave_only(model: ModelProto, name: str) -> None:
    """Leave out all outputs but one."""
    (kept,) = [value for value in model.graph.output if value.name == name]
    del model.graph.output[:]
    model.graph.output.append(kept)


def _same_in_a_batch(runner: Callable[[], Runner], pair: Pair, vectors: npt.NDArray[Any]) -> bool:
    """Whether two images in one batch have the embeddings that each has alone."""
    try:
        (together,) = runner()(pair)
    except ModelError:
        return False
    if together.shape != vectors.shape:
        return False
    return bool(np.abs(together - vectors).max() <= _SAME * np.abs(vectors).max())
