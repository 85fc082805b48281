"""ONNX files: recognised by their content, read with limits, and what nsface writes beside a graph."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsface.errors import DataError, ModelError, shown
from nsface.files import reason
from nsface.untrusted import parse_json

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

METADATA = "nsface"  # key of the JSON object that `nsface export` writes among a file's metadata
LARGEST = (1 << 31) - 1  # bytes of one protobuf message
_IR_VERSION = 0x08  # the tag of the first field of an ONNX model, a number


def require_packages(where: str | os.PathLike[str]) -> None:
    """Raise a ModelError about the file `where` if a package of the extra `onnx` is not installed."""
    for name in ("onnx", "onnxruntime", "onnxscript"):
        if find_spec(name) is None:
            raise ModelError(
                f'{shown(where)}: ONNX files need other packages ({name}): pip install "nsface[onnx]"'
            )


def is_onnx(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as ONNX models do, or is called .onnx; a file that cannot be read is not."""
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except (OSError, ValueError):
        return False
    if start[8:9] == b"{":  # safetensors: the length of the header, then JSON
        return False
    return start[:1] == bytes([_IR_VERSION]) or os.fspath(path).endswith(".onnx")


def read_onnx(path: str | os.PathLike[str]) -> tuple[ModelProto, list[str]]:
    """The model in an ONNX file, with the weights that lie in files beside it, and the names of those files.

    Raises:
        ModelError: it cannot be read, is no ONNX model, or is beyond 2 GiB; or its weights lie outside of its
            folder, or are cut short.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    where = shown(path)
    try:
        if os.path.getsize(path) > LARGEST:
            raise ModelError(f"{where}: ONNX models of more than 2 GiB are not read")
        model: ModelProto = onnx.ModelProto.FromString(Path(path).read_bytes())
    except OSError as error:
        raise ModelError(f"{where}: cannot be read: {reason(error)}") from error
    except (DecodeError, RuntimeError) as error:
        raise ModelError(f"{where}: no ONNX model, or a damaged one") from error
    if not model.graph.node:
        raise ModelError(f"{where}: no ONNX model, or an empty one: its graph has no nodes")
    return model, _load_weights_beside(model, Path(path))


def metadata(model: ModelProto, where: str) -> dict[str, Any]:
    """What `nsface export` has written of the network, empty where it did not write the file.

    Raises:
        ModelError: it is damaged.
    """
    found = {entry.key: entry.value for entry in model.metadata_props}.get(METADATA)
    if found is None:
        return {}
    try:
        content = parse_json(found, where)
    except DataError as error:
        raise ModelError(str(error)) from error
    if not isinstance(content, dict) or not isinstance(content.get("input"), dict):
        raise ModelError(f"{shown(where)}: its metadata '{METADATA}' are not what `nsface export` writes")
    return content


def write_metadata(model: ModelProto, content: dict[str, Any]) -> None:
    """Write `content` among the metadata of `model`, in place of what is there."""
    kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key != METADATA]
    del model.metadata_props[:]
    for key, value in [*kept, (METADATA, json.dumps(content))]:
        model.metadata_props.add(key=key, value=value)


def graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """`graph`, and all that its nodes hold: the branches of an If, the body of a Loop."""
    yield graph
    for node in graph.node:
        yield from _graphs_of(node)


def _graphs_of(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        for inner in [attribute.g, *attribute.graphs]:
            if inner.node or inner.initializer:
                yield from graphs(inner)


def all_nodes(model: ModelProto) -> Iterator[NodeProto]:
    """The nodes of the graph and of the functions that it calls, and those within them."""
    for graph in graphs(model.graph):
        yield from graph.node
    for function in model.functions:
        for node in function.node:
            yield node
            for graph in _graphs_of(node):
                yield from graph.node


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    nodes = list(all_nodes(model))
    for graph in [model.graph, *(inner for node in nodes for inner in _graphs_of(node))]:
        yield from graph.initializer
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _load_weights_beside(model: ModelProto, path: Path) -> list[str]:
    """Read weights that lie in other files, which must be in the folder of the model, and name the files."""
    from onnx import TensorProto

    outside = [tensor for tensor in _tensors(model) if tensor.data_location == TensorProto.EXTERNAL]
    total, files = 0, set[str]()
    for tensor in outside:
        entry = {item.key: item.value for item in tensor.external_data}
        file = path.parent / entry.get("location", "")
        where = f"{shown(path)}: the weights {shown(tensor.name)} in {shown(file.name)}"
        if os.path.realpath(file.parent) != os.path.realpath(path.parent) or file.is_symlink():
            raise ModelError(f"{where} lie outside of the folder of the model; nothing else is read")
        try:
            if file.exists() and not file.is_file():  # a pipe would never end
                raise ModelError(f"{where} cannot be read: not a file")
            offset, size = int(entry.get("offset", 0)), file.stat().st_size
            length = int(entry.get("length", size - offset))
            if offset < 0 or length < 0 or offset + length > size:
                raise ModelError(f"{where}: the file ends before them")
            total += length
            if total > LARGEST:
                raise ModelError(f"{shown(path)}: ONNX models of more than 2 GiB are not read")
            with file.open("rb") as opened:
                opened.seek(offset)
                tensor.raw_data = opened.read(length)
        except (OSError, ValueError) as error:
            why = reason(error) if isinstance(error, OSError) else "a damaged place"
            raise ModelError(f"{where} cannot be read: {why}") from error
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
        files.add(file.name)
    return sorted(files)
