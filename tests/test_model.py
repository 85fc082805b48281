"""The model file: what is saved is what is loaded, and nothing else is taken for a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nsface.device import pick_device, pick_precision
from nsface.errors import ModelError, NsfaceError
from nsface.model import HEADER, Description, Preprocessing, digest, load_model, save_model

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
    loaded, description = load_model(tmp_path / "m.safetensors")
    assert description == DESCRIPTION
    assert not loaded.training
    assert torch.allclose(loaded(images), network(images), atol=1e-5)


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
            load_model(tmp_path / name)
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path / "nothing")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(ModelError, match="not one that nsface wrote"):
        load_model(tmp_path / "foreign")


@pytest.mark.parametrize(
    "change", [{"embedding_size": 7}, {"network": "no-such-network"}, {"network_arguments": {"depth": 3}}]
)
def test_header_and_weights_that_do_not_fit(path: Path, change: dict[str, object]) -> None:
    save_model(path, DESCRIPTION.build(), DESCRIPTION.model_copy(update=change))
    with pytest.raises(ModelError):
        load_model(path)


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
