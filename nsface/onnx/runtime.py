"""ONNX Runtime behind one call: images in, outputs out, for graphs of any batch and layout."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.errors import ModelError, NsfaceError, shown
from nsface.onnx.graph import ImageInput

Array = npt.NDArray[Any]
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_PIECE = 8  # images given to a network of 8 bits on a CPU at once: maps of more do not stay in its caches
_ONLY_FATAL = 4  # level of ONNX Runtime's own messages; its errors are exceptions


class Runner:
    """Runs a graph on arrays of images.

    Args:
        graph: the ONNX model, serialised.
        image: its input. Where that has a fixed batch, images are run in batches of that size, several at a
            time.
        outputs: names of the outputs.
        where: the name of the file in messages.
        threads: how many cores to use.
        int8: whether the graph calculates in 8 bits.
        cuda: whether to run on a CUDA device.

    Raises:
        ModelError: ONNX Runtime cannot run the graph.
        NsfaceError: CUDA is asked for, and ONNX Runtime has no usable CUDA device.
    """

    def __init__(
        self,
        graph: bytes,
        image: ImageInput,
        outputs: Sequence[str],
        *,
        where: str,
        threads: int,
        int8: bool,
        cuda: bool = False,
    ) -> None:
        import onnxruntime

        self._image, self._outputs, self._where = image, list(outputs), where
        self._workers = 1 if image.batch is None or cuda else threads
        self._piece = _PIECE if int8 and image.batch is None and not cuda else image.batch
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ONLY_FATAL
        options.intra_op_num_threads = 1 if self._workers > 1 else threads
        if not int8:  # weights of 8 bits in a network of floats become floats once, and not in every run
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        providers = [CUDA, CPU] if cuda else [CPU]
        if cuda and CUDA not in onnxruntime.get_available_providers():
            raise NsfaceError(_no_cuda(where))
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=providers)
        except Exception as error:  # ONNX Runtime's exceptions have no common class of their own
            raise self._refused(error) from error
        self.provider: str = self._session.get_providers()[0]
        if cuda and self.provider != CUDA:
            raise NsfaceError(_no_cuda(where))

    def __call__(self, images: npt.NDArray[np.float32]) -> list[Array]:
        """The outputs for `images`, (B, 3, H, W), normalised; each has B as its first dimension.

        Raises:
            ModelError: ONNX Runtime has failed, or an output is not one row for an image.
        """
        given = images if self._image.layout == "NCHW" else images.transpose(0, 2, 3, 1)
        given = np.ascontiguousarray(given, dtype=self._image.kind)
        size = self._piece
        if size is None:
            return self._run(given)
        pieces = [given[start : start + size] for start in range(0, len(given), size)]
        if not pieces:
            raise ValueError("no images")
        if self._image.batch is not None:
            pieces[-1] = np.pad(pieces[-1], ((0, size - len(pieces[-1])), (0, 0), (0, 0), (0, 0)))
        if self._workers == 1:
            parts = [self._run(piece) for piece in pieces]
        else:
            with ThreadPoolExecutor(self._workers) as pool:
                parts = list(pool.map(self._run, pieces))
        return [np.concatenate(rows)[: len(given)] for rows in zip(*parts, strict=True)]

    def _run(self, given: Array) -> list[Array]:
        try:
            made = self._session.run(self._outputs, {self._image.name: given})
        except Exception as error:
            raise self._refused(error) from error
        for name, value in zip(self._outputs, made, strict=True):
            if np.ndim(value) == 0 or len(value) != len(given):
                raise ModelError(f"{shown(self._where)}: its output {shown(name)} has no row for each image")
        return list(made)

    def _refused(self, error: Exception) -> ModelError:
        line = (str(error) or type(error).__name__).strip().splitlines()[0]
        return ModelError(f"{shown(self._where)}: ONNX Runtime cannot run it ({shown(line)})")


def _no_cuda(where: str) -> str:
    return (
        f"{shown(where)}: ONNX Runtime has no usable CUDA device here; install onnxruntime-gpu in place of "
        "onnxruntime, or take --device cpu"
    )
