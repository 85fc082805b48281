"""Files of weights: nothing in them is executed, and damaged ones are refused in a line."""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import types
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from nsface.errors import ModelError
from nsface.importing.weights_file import read_tensors


class Malicious:
    """What creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.target}",)


class Evaluated(Malicious):
    def __reduce__(self) -> tuple[object, ...]:
        return eval, (f"open({str(self.target)!r}, 'w')",)


@pytest.mark.parametrize("kind", [Malicious, Evaluated])
@pytest.mark.parametrize("new", [True, False])
def test_code_in_a_file_is_not_executed(kind: type[Malicious], new: bool, tmp_path: Path) -> None:
    content = {"state_dict": {"conv1.weight": torch.ones(2)}, "extra": kind(tmp_path / "created")}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
    with pytest.raises(ModelError, match="code would have to run, which nsface never does"):
        read_tensors(tmp_path / "w.pth")
    assert not (tmp_path / "created").exists()
    torch.load(tmp_path / "w.pth", weights_only=False)
    assert (tmp_path / "created").exists(), "the file is one that does harm"


def test_a_bare_pickle_is_not_executed(tmp_path: Path) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(Malicious(tmp_path / "created")))
    with pytest.raises(ModelError):
        read_tensors(tmp_path / "w.pkl")
    assert not (tmp_path / "created").exists()


def test_a_pickled_network_is_refused_with_its_class(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"torch\.nn\.modules\.linear\.Linear\); .*save the weights alone"):
        read_tensors(tmp_path / "w.pth")


def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer releases deprecate it
        torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "w.pt"))
    with pytest.raises(ModelError, match="a TorchScript program; save its state dict"):
        read_tensors(tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["network.onnx", "weights.pth", "model.safetensors"])
def test_an_onnx_file_is_refused_with_what_takes_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x08\x09\x12\x07pytorch:\x00")
    with pytest.raises(ModelError, match=r"an ONNX file, which needs no import; .*`nsface extract"):
        read_tensors(tmp_path / name)


def test_objects_of_lightning_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its old checkpoints have classes as keys, and settings as objects of its own; it need not be there."""
    module = types.ModuleType("pytorch_lightning")
    callback = type("ModelCheckpoint", (), {"__module__": "pytorch_lightning"})
    attributes = type("AttributeDict", (dict,), {"__module__": "pytorch_lightning"})
    vars(module).update(ModelCheckpoint=callback, AttributeDict=attributes)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", module)
    settings = callback()
    settings.monitor = "val"
    content = {
        "state_dict": {"model.a": torch.ones(2)},
        "callbacks": {callback: {"best": 1.0}, "other": settings},
        "hyper_parameters": {"args": argparse.Namespace(lr=0.1)},
    }
    torch.save(content, tmp_path / "w.ckpt")
    before = torch.serialization.get_safe_globals()
    monkeypatch.delitem(sys.modules, "pytorch_lightning")
    assert list(read_tensors(tmp_path / "w.ckpt")) == ["state_dict.model.a"]
    assert torch.serialization.get_safe_globals() == before


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(100)}, tmp_path / "w.pth")
    whole = (tmp_path / "w.pth").read_bytes()
    at = whole.index(torch.ones(3).numpy().tobytes())
    damaged = {
        "cut": whole[:-200],
        "bit": whole[:at] + b"\1" + whole[at + 1 :],
        "empty": b"",
        "text": b"# not weights\n\nBut a page.",
        "safetensors": (10).to_bytes(8, "little") + b'{"a": 1}  ' + b"x" * 50,
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=f"{name}: ") as error:
            read_tensors(tmp_path / name)
        assert "\n" not in str(error.value)
        assert "code would have to run" not in str(error.value), "nothing in it is code"


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1 << 20)}, tmp_path / "w.pth")
    with (
        zipfile.ZipFile(tmp_path / "w.pth") as old,
        zipfile.ZipFile(tmp_path / "z", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(ModelError, match=r"damaged one .compressed"):
        read_tensors(tmp_path / "z")


def test_a_few_bytes_that_stand_for_endless_lists(tmp_path: Path) -> None:
    bomb: list[object] = [torch.ones(1)]
    for _ in range(40):
        bomb = [bomb, bomb]
    torch.save(bomb, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="more than"):
        read_tensors(tmp_path / "w.pth")


@pytest.mark.parametrize("key", [None, "x", "x" * 2000])
def test_values_that_hold_themselves_do_not_lead_on_for_ever(key: str | None, tmp_path: Path) -> None:
    content: dict[str, object] | list[object] = [] if key is None else {}
    if isinstance(content, list):
        content.append(content)
    else:
        content[str(key)] = content
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="a name of more than 1,000 characters"):
        read_tensors(tmp_path / "w.pth")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.pth")
    with pytest.raises(ModelError, match="a pipe or a device"):
        read_tensors(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04abcd", "neither a PyTorch file nor safetensors, or a damaged one"),
        (b"hello", "neither a PyTorch file nor safetensors, or a damaged one"),
        (b"\x80\x02c__builtin__\neval\nq\x00.", "to read it, code would have to run"),
    ],
)
def test_nobody_is_told_to_let_a_file_run_its_code(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        read_tensors(tmp_path / "w.pth")
    assert "weights_only" not in str(caught.value)
