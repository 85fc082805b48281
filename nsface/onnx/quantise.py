"""Static quantisation of an exported network to 8 bits.

Convolutions and matrix products run in 8 bits, all else in floats. ONNX Runtime has no PReLU of 8 bits, and
its PReLU of floats takes half of the time of such a network; so PReLU is written as Relu(x) − a·Relu(−x),
which is the same number.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nsface.onnx.export import IMAGES
from nsface.onnx.file import metadata, write_metadata

if TYPE_CHECKING:
    from onnx import ModelProto

_ONLY_FATAL, _WARNINGS = 4, 2  # levels of ONNX Runtime's messages; the second is its default
_QUANTISED = ["Conv", "Gemm"]


def quantised(model: ModelProto, batches: Iterator[npt.NDArray[np.float32]]) -> ModelProto:
    """`model` with weights and activations of 8 bits.

    Args:
        model: what `to_onnx` made.
        batches: inputs, (B, 3, H, W), whose activations set the range of each layer: some hundred faces.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
            batch = next(batches, None)
            return None if batch is None else {IMAGES: batch}

    with tempfile.TemporaryDirectory() as folder, _silent():
        plain, folded, made = (Path(folder) / f"{name}.onnx" for name in ("plain", "folded", "made"))
        onnx.save(model, plain)
        quant_pre_process(plain, folded, skip_symbolic_shape=True)  # folds batch norms into convolutions
        changed = onnx.load(folded)
        _write_prelu_by_relu(changed)
        onnx.save(changed, folded)
        quantization.quantize_static(
            folded,
            made,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=_QUANTISED,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
        )
        result = onnx.load(made)
    write_metadata(result, metadata(model, ""))
    return result


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what ONNX Runtime says of nodes and constants that it removes from standard error."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(_ONLY_FATAL)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)


def _write_prelu_by_relu(model: ModelProto) -> None:
    """Write every PReLU as Relu(x) − a·Relu(−x)."""
    from onnx import helper, numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for number, node in enumerate(list(model.graph.node)):
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        name = f"prelu_{number}"
        slopes = numpy_helper.to_array(weights[node.input[1]])
        model.graph.initializer.append(numpy_helper.from_array(-slopes, f"{name}_slopes"))
        nodes += [
            helper.make_node("Relu", [node.input[0]], [f"{name}_above"], f"{name}_above"),
            helper.make_node("Neg", [node.input[0]], [f"{name}_turned"], f"{name}_turned"),
            helper.make_node("Relu", [f"{name}_turned"], [f"{name}_below"], f"{name}_below"),
            helper.make_node(
                "Mul", [f"{name}_below", f"{name}_slopes"], [f"{name}_scaled"], f"{name}_scaled"
            ),
            helper.make_node("Add", [f"{name}_above", f"{name}_scaled"], [node.output[0]], f"{name}_sum"),
        ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
