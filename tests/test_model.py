"""The model file: what is saved is what is loaded, and nothing else is taken for a model."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from nsface.device import pick_device, pick_precision
from nsface.errors import ModelError, NsfaceError
from nsface.files import digest
from nsface.model import HEADER, Description, read_model, save_model
from nsface.preprocessing import Preprocessing

DESCRIPTION = Description(
    network="light-resnet",
    network_arguments={"channels": 8},
    embedding_size=6,
    input=Preprocessing(height=48, width=32, mean=100.0, std=50.0),
    head="noisy-softmax",
    head_arguments={"alpha2": 0.1},
    identities=10,
    recipe_digest="0" * 64,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_model(tmp_path / "model.safetensors", DESCRIPTION.build(), DESCRIPTION)
    return tmp_path / "model.safetensors"


def test_saved_and_loaded(tmp_path: Path) -> None:
    network = DESCRIPTION.build().to(memory_format=torch.channels_last).eval()
    images = torch.randn(2, 3, 48, 32)
    save_model(tmp_path / "m.safetensors", network, DESCRIPTION)
    loaded, description = read_model(tmp_path / "m.safetensors")
    assert description == DESCRIPTION
    assert not loaded.training
    assert torch.allclose(loaded(images), network(images), atol=1e-5)
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "m.safetensors").stat().st_mode & 0o777 == 0o666 & ~umask, "as any new file"


def test_the_header_is_plain_json_for_other_tools(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER])
    assert header["input"] == {
        "height": 48,
        "width": 32,
        "colour": "RGB",
        "mean": 100.0,
        "std": 50.0,
        "template": "sphereface",
    }
    assert header["identities"] == 10


def test_digest_follows_the_content(path: Path) -> None:
    before = digest(path)
    save_model(path, DESCRIPTION.build(), DESCRIPTION)
    assert digest(path) != before, "fresh weights"


def test_what_is_no_model_is_refused(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    cases = {"empty": b"", "text": b"hello", "torn": whole[: len(whole) // 2], "head": whole[:4]}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match=f"{name}: not a model file"):
            read_model(tmp_path / name)
    with pytest.raises(ModelError, match="no such file"):
        read_model(tmp_path / "nothing")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(ModelError, match="not one that nsface wrote"):
        read_model(tmp_path / "foreign")


def test_weights_of_others_are_refused_with_the_command_that_takes_them(tmp_path: Path) -> None:
    weights = {"x": torch.zeros(1)}
    torch.save(weights, tmp_path / "weights.pth")
    torch.save(weights, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    save_file(weights, tmp_path / "foreign.safetensors")
    for name in ("weights.pth", "old.pt", "foreign.safetensors"):
        with pytest.raises(ModelError, match=f"{name}: .*`nsface import` makes a model file"):
            read_model(tmp_path / name)


@pytest.mark.parametrize(
    "change", [{"embedding_size": 7}, {"network": "no-such-network"}, {"network_arguments": {"depth": 3}}]
)
def test_header_and_weights_that_do_not_fit(path: Path, change: dict[str, object]) -> None:
    save_model(path, DESCRIPTION.build(), DESCRIPTION.model_copy(update=change))
    with pytest.raises(ModelError):
        read_model(path)


def test_normalisation() -> None:
    pixels = torch.tensor([0.0, 100.0, 255.0])
    assert DESCRIPTION.input.normalise(pixels).tolist() == pytest.approx([-2.0, 0.0, 3.1])


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(NsfaceError, match="no usable CUDA device"):
            pick_device("cuda")
        assert pick_device("auto") == torch.device("cpu")
    cpu = torch.device("cpu")
    assert pick_precision("fp32", cpu) == torch.float32
    assert pick_precision("bf16", cpu) == torch.bfloat16
    assert pick_precision("auto", cpu) in (torch.float32, torch.bfloat16)
    for native in (True, False):  # a GPU that only emulates bfloat16 gets float32
        monkeypatch.setattr(
            torch.cuda,
            "is_bf16_supported",
            lambda including_emulation=True, native=native: native or including_emulation,
        )
        assert pick_precision("auto", torch.device("cuda")) == (torch.bfloat16 if native else torch.float32)


def with_header(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The model file with a changed description; its weights stay."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    changed = change(header)
    text = changed if isinstance(changed, str) else json.dumps(header)
    save_file(weights, path, metadata={HEADER: text})
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"embedding_size": 10**12},
        {"embedding_size": 1 << 20},
        {"embedding_size": 10**400},
        {"network_arguments": {"channels": 10**9}},
        {"network_arguments": {"channels": 1024}},
        {"network_arguments": {"channels": 8, "extra_units": 10**9}},
        {"network_arguments": {"channels": 8, "activation": {"name": "nah-tanh", "c": 10**400}}},
        {"network_arguments": {"channels": 8, "dropout": float("nan")}},
        {"network_arguments": {"channels": 8, "activation": [[[1]]]}},
        {"network": "vgg-face", "network_arguments": {}, "embedding_size": 1 << 20},
        {"input": {"height": 4096, "width": 4096}},
        {"input": {"height": 10**9, "width": 10**9}},
        {"identities": -1},
        {"network": "\ud800"},
        {"network": "\x1b[31m"},
    ],
)
def test_sizes_beyond_all_bounds_are_refused_before_they_are_allocated(
    path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(ModelError) as error:
        read_model(with_header(path, lambda header: header.update(change)))
    assert str(error.value).isprintable()


@pytest.mark.parametrize("text", ["", "null", "[]", "[" * 100_000, '{"network": 1}', '{"a": ' * 500, "\x00"])
def test_headers_that_describe_nothing(path: Path, text: str) -> None:
    with pytest.raises(ModelError, match=r"model\.safetensors: a damaged header"):
        read_model(with_header(path, lambda _: text))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["fc.weight", "stem.1.running_mean", "bn.running_var"])
def test_weights_that_are_not_finite_are_neither_written_nor_read(
    path: Path, value: float, name: str
) -> None:
    network = DESCRIPTION.build()
    network.state_dict()[name].view(-1)[0] = value
    before = path.read_bytes()
    with pytest.raises(NsfaceError, match=f"not written: weights are not finite .{name}"):
        save_model(path, network, DESCRIPTION)
    assert path.read_bytes() == before
    save_file(network.state_dict(), path, metadata={HEADER: DESCRIPTION.model_dump_json()})
    with pytest.raises(ModelError, match=f"its weights are not finite .{name}"):
        read_model(path)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_damaged_file_is_a_model_error_or_still_a_model(tmp_path: Path, data: st.DataObject) -> None:
    whole = tmp_path / "whole"
    if not whole.exists():
        save_model(whole, DESCRIPTION.build(), DESCRIPTION)
    content = bytearray(whole.read_bytes())
    head = 8 + int.from_bytes(content[:8], "little")
    for place in data.draw(st.lists(st.integers(0, head - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    (tmp_path / "damaged").write_bytes(content)
    with contextlib.suppress(ModelError):
        read_model(tmp_path / "damaged")
