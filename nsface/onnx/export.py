"""A network of nsface as an ONNX model."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from nsface import __version__
from nsface.model import Description
from nsface.onnx.file import write_metadata
from nsface.preprocessing import Preprocessing

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

IMAGES, EMBEDDINGS = "images", "embeddings"  # the names of the input and of the output
OPSETS = (18, 21)  # lowest and highest; PyTorch writes none below, ONNX Runtime 1.18 runs none above
_NORMALISED = "normalised_images"


def to_onnx(
    network: nn.Module, description: Description, digest: str, *, opset: int = OPSETS[0], pixels: bool = False
) -> ModelProto:
    """`network` as an ONNX model for batches of any size, with what its description says as metadata.

    The input is called `images`, (N, 3, height, width), float32; the output `embeddings`, (N, D). `network`
    is in eval mode, on the CPU.

    Args:
        description, digest: of its model file.
        opset: the version of ONNX's operators, within `OPSETS`.
        pixels: the input is RGB pixels in [0, 255], and the graph normalises them; else it is normalised
            images.

    Raises:
        ModelError: packages are missing, or PyTorch cannot write the network.
    """
    images = description.input
    example = torch.zeros(2, 3, images.height, images.width)
    with _silent():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=[IMAGES],
            output_names=[EMBEDDINGS],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=opset,
            verbose=False,
        )
    assert program is not None
    model: ModelProto = program.model_proto
    _drop_traces(model)
    if pixels:
        _put_preprocessing_inside(model, images)
        images = images.model_copy(update={"colour": "RGB", "mean": 0.0, "std": 1.0})
    content = description.model_dump(mode="json", exclude={"input", "version"})
    content |= {"input": images.model_dump(mode="json"), "model_digest": digest, "nsface": __version__}
    write_metadata(model, content)
    return model


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what PyTorch says of its own progress and of packages that are not needed from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            with redirect_stdout(nowhere), redirect_stderr(nowhere):
                yield
        finally:
            logger.setLevel(level)


def _drop_traces(model: ModelProto) -> None:
    """Leave out where in whose Python files each node comes from."""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        del value.metadata_props[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]


def _put_preprocessing_inside(model: ModelProto, images: Preprocessing) -> None:
    """Have the graph take RGB pixels.

    The names of the nodes tell the package insightface, which looks for `Sub` and `Mul` at the beginning,
    that it must not normalise the images itself.
    """
    from onnx import helper, numpy_helper

    for node in model.graph.node:
        node.input[:] = [_NORMALISED if name == IMAGES else name for name in node.input]
    first: list[NodeProto] = []
    source = IMAGES
    constants = {
        "mean": np.reshape(images.mean, (1, -1, 1, 1)),
        "scale": 1 / np.reshape(images.std, (1, -1, 1, 1)),
    }
    if images.colour == "BGR":
        model.graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), "bgr"))
        first.append(helper.make_node("Gather", [IMAGES, "bgr"], ["bgr_images"], "Gather_bgr", axis=1))
        source = "bgr_images"
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    first += [
        helper.make_node("Sub", [source, "mean"], ["centred_images"], "Sub_mean"),
        helper.make_node("Mul", ["centred_images", "scale"], [_NORMALISED], "Mul_scale"),
    ]
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*first, *rest])
