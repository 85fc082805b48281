"""Small ONNX files of recognisers, built node by node, and what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper, save

SIDE, SIZE = 8, 4
GIVEN = {"colour": "RGB", "mean": 127.5, "std": 128.0, "template": f"{SIDE}x{SIDE}"}
WEIGHTS = np.random.default_rng(1).standard_normal((SIZE, 3 * SIDE * SIDE)).astype(np.float32)


def expected(images: npt.NDArray[np.uint8], bgr: bool = False) -> npt.NDArray[np.float32]:
    """The embeddings by `recogniser` of RGB images (N, H, W, 3), with the preprocessing of `GIVEN`."""
    ordered = images[..., ::-1] if bgr else images
    normalised = (ordered.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128
    return np.asarray(normalised.reshape(len(images), -1) @ WEIGHTS.T)


def images(number: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (number, SIDE, SIDE, 3), dtype=np.uint8)


def recogniser(
    path: Path,
    *,
    batch: int | str = "N",
    reshape: Sequence[int] = (-1, 3 * SIDE * SIDE),
    nhwc: bool = False,
    kind: int = TensorProto.FLOAT,
    weights_as_inputs: bool = False,
    more_outputs: Sequence[str] = (),
    more_nodes: Sequence[Any] = (),
    sizes: Sequence[int | str] = (SIDE, SIDE),
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write embeddings = WEIGHTS · pixels, in one of the forms in which converters leave such graphs."""
    nodes = list(more_nodes)
    source = "data"
    if kind != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [source], ["floats"], to=TensorProto.FLOAT))
        source = "floats"
    if nhwc:
        nodes.append(helper.make_node("Transpose", [source], ["turned"], perm=[0, 3, 1, 2]))
        source = "turned"
    nodes += [
        helper.make_node("Reshape", [source, "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights"], ["embedding"], transB=1),
        helper.make_node("ReduceSum", ["embedding", "axis"], ["norm"], keepdims=1),
        helper.make_node("Neg", ["embedding"], ["negative"]),
    ]
    dims = [batch, *sizes, 3] if nhwc else [batch, 3, *sizes]
    inputs = [helper.make_tensor_value_info("data", kind, dims)]
    if weights_as_inputs:
        inputs.append(helper.make_tensor_value_info("weights", TensorProto.FLOAT, WEIGHTS.shape))
        inputs.append(helper.make_tensor_value_info("unread", TensorProto.FLOAT, [3]))
    widths = {"embedding": SIZE, "norm": 1, "negative": SIZE}
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, widths[name]])
        for name in ("embedding", *more_outputs)
    ]
    initialisers = [
        numpy_helper.from_array(WEIGHTS, "weights"),
        numpy_helper.from_array(np.array(reshape, np.int64), "shape"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    graph = helper.make_graph(nodes, "recogniser", inputs, outputs, initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    save(model, path)
    return path
