"""The tensors in a file of weights that others wrote: PyTorch's own format, or safetensors.

Nothing in the file is executed. PyTorch unpickles tensors and plain values alone; of the objects that
Lightning keeps beside them, a stand-in is made that does nothing.
"""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nsface.errors import ModelError, counted, listing, shown
from nsface.files import reason
from nsface.model import HEADER, refuse_pipe
from nsface.onnx.file import is_onnx
from nsface.untrusted import check_stored_archive

MOST_VALUES = 1_000_000  # in one file, tensors and others; a Lightning checkpoint has some thousands
LONGEST_NAME = 1000  # characters of the keys that lead to a tensor; a list in itself would lead on for ever
_ZIP = b"PK\x03\x04"
_CODE = "to read it, code would have to run, which nsface never does for a file of weights"
_STATE_DICT = "where it was trained, save the weights alone: torch.save(network.state_dict(), 'weights.pth')"
# Classes of the trainer and of its settings, which checkpoints of Lightning hold beside the weights.
_BOOKKEEPING = ("argparse.Namespace", "lightning.", "lightning_fabric.", "omegaconf.", "pytorch_lightning.")


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """All tensors in the file at `path`, on the CPU, by the dotted path of their keys.

    Example:
        A checkpoint `{"epoch": 3, "state_dict": {"model.fc.bias": …}}` gives `state_dict.model.fc.bias`.

    Raises:
        ModelError: the file is missing, damaged, of another format, or needs code of others to be read.
    """
    where = shown(path)
    if os.path.isdir(path):
        raise ModelError(f"{where}: a folder; give the file with the weights")
    refuse_pipe(path)
    try:
        with open(path, "rb") as file:
            start = file.read(16)
        if is_onnx(path) or os.fspath(path).endswith(".onnx"):
            raise ModelError(
                f"{where}: an ONNX file, which needs no import; give it as the model itself, as in "
                "`nsface extract model.onnx images/ -o faces.npz`"
            )
        if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < os.stat(path).st_size:
            return _read_safetensors(path)
        bookkeeping: list[str] = []
        if start.startswith(_ZIP):
            _refuse_torchscript(path)
            check_stored_archive(path)
            bookkeeping = _classes(path)
        with _stand_ins(bookkeeping), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # PyTorch's own, about forms of pickles, which are for programmers
            content = torch.load(path, map_location="cpu", weights_only=True)
        found = dict(_tensors(content))
    except OSError as error:
        raise ModelError(f"{where}: cannot be read: {reason(error)}") from error
    except ModelError:
        raise
    except pickle.UnpicklingError as error:
        raise ModelError(f"{where}: {_why_not_unpickled(error)}; {_STATE_DICT}") from error
    except Exception as error:  # zipfile and unpicklers raise nearly anything for damaged files
        raise ModelError(
            f"{where}: neither a PyTorch file nor safetensors, or a damaged one ({_first_line(error)})"
        ) from error
    if not found:
        raise ModelError(f"{where}: holds no tensors; {_STATE_DICT}")
    return found


def _read_safetensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            if HEADER in (file.metadata() or {}):
                raise ModelError(f"{shown(path)}: a model file of nsface already; use it as it is")
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"{shown(path)}: damaged safetensors ({_first_line(error)})") from error


def _refuse_torchscript(path: str | os.PathLike[str]) -> None:
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("/constants.pkl") for name in archive.namelist()):
            raise ModelError(
                f"{shown(path)}: a TorchScript program; save its state dict alone: "
                "torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')"
            )


def _classes(path: str | os.PathLike[str]) -> list[str]:
    """The classes that a zip archive of PyTorch names: of Lightning and of settings, no others.

    Raises:
        ModelError: it names other classes or functions; with the way to the state dict.
    """
    names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(os.fspath(path)))
    if foreign := [name for name in names if not name.startswith(_BOOKKEEPING)]:
        raise ModelError(f"{shown(path)}: {_CODE} ({listing(foreign, 3)}); {_STATE_DICT}")
    return names


@contextmanager
def _stand_ins(names: Sequence[str]) -> Iterator[None]:
    """Within this context PyTorch takes for each class in `names` one that does nothing."""
    made: list[Any] = []
    for name in names:
        module, _, last = name.rpartition(".")
        made.append(type(last, (_Nothing,), {"__module__": module, "__qualname__": last}))
    with torch.serialization.safe_globals(made):
        yield


class _Nothing:
    """An object that takes any arguments and any state, and keeps none."""

    def __new__(cls, *args: object) -> _Nothing:
        return super().__new__(cls)

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _tensors(content: object) -> Iterator[tuple[str, Tensor]]:
    """The tensors in dictionaries and lists, and their keys joined by dots.

    Raises:
        ValueError: there are too many values, or too long names: a few bytes can stand for lists in lists
            without end.
    """
    waiting: list[tuple[str, object]] = [("", content)]
    seen = 0
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Tensor):
            yield name, value.detach()
            continue
        parts: Iterable[tuple[object, object]]
        parts = (
            value.items()
            if isinstance(value, dict)
            else enumerate(value)
            if isinstance(value, list | tuple)
            else ()
        )
        for key, part in parts:
            seen += 1
            if seen > MOST_VALUES:
                raise ValueError(f"more than {counted(MOST_VALUES, 'value')}")
            if isinstance(part, Tensor | dict | list | tuple):
                full = f"{name}.{key}" if name else str(key)
                if len(full) > LONGEST_NAME:
                    raise ValueError(f"a name of more than {LONGEST_NAME:,} characters")
                waiting.append((full, part))


def _why_not_unpickled(error: pickle.UnpicklingError) -> str:
    text = str(error)
    if "GLOBAL" in text:  # of a class or function; for other bytes PyTorch names the operand
        return _CODE
    if text.startswith("Weights only"):  # PyTorch's own remedy, to let the file run its code, is none
        return "not a PyTorch file, or a damaged one"
    return f"not a PyTorch file, or a damaged one ({_first_line(error)})"


def _first_line(error: Exception) -> str:
    return shown((str(error) or type(error).__name__).splitlines()[0])
