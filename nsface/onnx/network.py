"""A network in an ONNX file, which embeds images as those of PyTorch do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nsface.device import DeviceChoice, PrecisionChoice, check_choice
from nsface.errors import ModelError, NsfaceError, shown
from nsface.onnx.file import require_packages
from nsface.onnx.graph import INT8
from nsface.onnx.probe import Probed, probe
from nsface.onnx.runtime import CUDA, Runner
from nsface.untrusted import isolated


class OnnxNetwork(nn.Module):
    """Embeddings by ONNX Runtime.

    Shape: normalised images (B, 3, height, width), float32 on the CPU → embeddings (B, D), float32.

    Attributes:
        probed: what is known of the network.
        meta: what an embeddings file says of how the embeddings were calculated.
    """

    def __init__(self, path: str, probed: Probed, *, cuda: bool = False) -> None:
        super().__init__()
        import onnxruntime

        self.probed = probed
        self._runner = Runner(
            probed.graph,
            probed.image,
            [probed.output],
            where=path,
            threads=torch.get_num_threads(),
            int8=probed.precision == INT8,
            cuda=cuda,
        )
        self.meta = {
            "precision": probed.precision,
            "output": probed.output,
            "onnxruntime": onnxruntime.__version__,
            "provider": self._runner.provider,
        }

    def forward(self, images: Tensor) -> Tensor:
        if not len(images):  # none in the batch could be used, and ONNX Runtime takes no empty one
            return torch.empty(0, self.probed.embedding_size)
        (vectors,) = self._runner(images.numpy())
        return torch.from_numpy(vectors.reshape(len(vectors), -1)).float()


def read_network(
    path: str | os.PathLike[str],
    *,
    device: DeviceChoice = "auto",
    precision: PrecisionChoice = "auto",
    given: Mapping[str, Any] | None = None,
    preset: str | None = None,
    output: str | None = None,
) -> OnnxNetwork:
    """The network in an ONNX file, tried, and ready to be run.

    Args:
        device: "auto" is CUDA where ONNX Runtime has it, else the CPU.
        precision: that of the file, or "auto".
        given, preset, output: as for `nsface.onnx.probe.probe`.

    Raises:
        ModelError: the file is not that of a recogniser, it cannot be run, or it calculates in another
            precision.
        NsfaceError: what is said of its images contradicts it, or is not enough; or there is no CUDA device.
    """
    require_packages(path)
    import onnxruntime

    check_choice("device", device, DeviceChoice)
    check_choice("precision", precision, PrecisionChoice)
    where = os.fspath(path)
    try:
        probed = isolated(probe, where, dict(given or {}), preset, output, where=where)
    except MemoryError as error:
        raise ModelError(f"{shown(where)}: trying it takes more memory than a recogniser needs") from error
    if precision != "auto" and precision != {"float32": "fp32"}.get(probed.precision):
        raise NsfaceError(
            f"{shown(where)}: it calculates in {probed.precision}, which --precision does not change; leave "
            "out --precision"
        )
    available = device == "auto" and CUDA in onnxruntime.get_available_providers()
    return OnnxNetwork(where, probed, cuda=device == "cuda" or available)
