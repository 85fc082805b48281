"""The graph of an ONNX model, changed so that ONNX Runtime runs it in batches of any size.

Converters leave three things in recognisers that stand in the way: weights and quantisation parameters
that are declared as inputs too, declared inputs that nothing reads, and a batch that is fixed, at the input
and in the constants of Reshape nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nsface.errors import ModelError, counted, listing, shown
from nsface.onnx.file import all_nodes, graphs
from nsface.preprocessing import MAX_SIDE

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

Layout = Literal["NCHW", "NHWC"]
INT8 = "int8"
_BATCH = "batch"
_LOOPS = {"Loop", "Scan", "SequenceMap"}
_INTEGER = {
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
    "QGemm",
    "QuantizeLinear",
    "DynamicQuantizeLinear",
}


class ImageInput(NamedTuple):
    """The one input of a recogniser.

    Attributes:
        name: of the input.
        kind: `float32`, `float16`, `float64` or `uint8`.
        layout: the order of its dimensions.
        batch: the number of images that it is fixed at; None where it is any.
        height, width: None where they are any.
    """

    name: str
    kind: str
    layout: Layout
    batch: int | None
    height: int | None
    width: int | None


def image_input(model: ModelProto, where: str) -> ImageInput:
    """The input of images, once `drop_needless_inputs` was called.

    Raises:
        ModelError: there is none, several, or one that takes no images of three channels.
    """
    from onnx import TensorProto

    found = list(model.graph.input)
    if len(found) != 1:
        names = listing([value.name for value in found]) or "none"
        raise ModelError(
            f"{shown(where)}: {counted(len(found), 'input')} ({names}); a recogniser has one, for images"
        )
    (value,) = found
    tensor, name = value.type.tensor_type, shown(value.name)
    kinds = {
        TensorProto.FLOAT: "float32",
        TensorProto.FLOAT16: "float16",
        TensorProto.DOUBLE: "float64",
        TensorProto.UINT8: "uint8",
    }
    if tensor.elem_type not in kinds:
        raise ModelError(f"{shown(where)}: its input {name} takes neither floats nor uint8")
    sizes = [
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in tensor.shape.dim
    ]
    channels = [position for position in (1, 3) if len(sizes) == 4 and sizes[position] == 3]
    if not channels:
        raise ModelError(
            f"{shown(where)}: its input {name} has the shape {_shape(value)}; a recogniser takes N×3×H×W or "
            "N×H×W×3"
        )
    batch, *rest = sizes
    layout: Layout = "NCHW" if channels[0] == 1 else "NHWC"
    height, width = rest[1:] if layout == "NCHW" else rest[:2]
    if max(height or 1, width or 1) > MAX_SIDE:
        raise ModelError(f"{shown(where)}: its input {name} is larger than {MAX_SIDE} pixels")
    return ImageInput(value.name, kinds[tensor.elem_type], layout, batch, height, width)


def _shape(value: ValueInfoProto) -> str:
    dims = value.type.tensor_type.shape.dim
    return "×".join(str(dim.dim_value or shown(dim.dim_param) or "?") for dim in dims) or "of a single number"


def check_operations(model: ModelProto, where: str) -> None:
    """Refuse loops, which no recogniser has and which may never end.

    Raises:
        ModelError: there is one.
    """
    if found := sorted({node.op_type for node in all_nodes(model)} & _LOOPS):
        raise ModelError(f"{shown(where)}: its graph has loops ({', '.join(found)}), which are not run")


def drop_needless_inputs(model: ModelProto) -> None:
    """Leave out declared inputs that are weights, and those that no node reads."""
    weights = {tensor.name for tensor in model.graph.initializer}
    weights |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    read = {name for graph in graphs(model.graph) for node in graph.node for name in node.input}
    read |= {value.name for value in model.graph.output}
    kept = [value for value in model.graph.input if value.name not in weights and value.name in read]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def free_batch(model: ModelProto, fixed: int) -> None:
    """Declare the batch, fixed at `fixed`, as of any size, in the input, the outputs and Reshape nodes.

    Whether the graph then computes the same is for the caller to try.
    """
    for value in [*model.graph.input, *model.graph.output]:
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].dim_value == fixed:
            dims[0].dim_param = _BATCH
    del model.graph.value_info[:]  # shapes inside, which hold for the old batch
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    for number, node in enumerate(_reshapes_of_images(model)):
        if len(node.input) > 1 and (shape := constants.get(node.input[1])) is not None:
            _free_shape(model, node, shape, fixed, number)


def _free_shape(model: ModelProto, node: NodeProto, shape: TensorProto, fixed: int, number: int) -> None:
    """Give a Reshape node a shape of its own, whose first number 0 keeps the batch of what it reshapes."""
    from onnx import numpy_helper

    sizes = numpy_helper.to_array(shape)
    allow_zero = any(attribute.name == "allowzero" and attribute.i for attribute in node.attribute)
    if sizes.ndim == 1 and sizes.size and sizes[0] == fixed and not allow_zero:
        name = f"nsface_shape_{number}"
        freed = np.concatenate([[0], sizes[1:]]).astype(np.int64)
        model.graph.initializer.append(numpy_helper.from_array(freed, name))
        node.input[1] = name


def depends_on_images(model: ModelProto) -> Iterator[NodeProto]:
    """The nodes whose result depends on the input, in the order of the graph."""
    reached = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if reached & set(node.input):
            reached |= set(node.output)
            yield node


def _reshapes_of_images(model: ModelProto) -> list[NodeProto]:
    return [node for node in depends_on_images(model) if node.op_type == "Reshape"]


def precision(model: ModelProto) -> str:
    """The numbers that the network calculates with, for the `meta` of embeddings: `int8`, `float16`, …"""
    from onnx import TensorProto

    if any(node.op_type in _INTEGER for node in depends_on_images(model)):
        return INT8
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    if any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        return "float32, weights of int8"
    return "float16" if TensorProto.FLOAT16 in kinds and TensorProto.FLOAT not in kinds else "float32"
