"""`nsface doctor`: what it says is so."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from nsface import installation
from nsface.networks import NETWORKS
from nsface.networks.soundness import Verdict

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def only_two_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    # tests/networks/test_soundness.py lets all of them take a step
    networks = {name: NETWORKS[name] for name in ("sphereface-4", "vgg-cifar")}
    monkeypatch.setattr("nsface.networks.NETWORKS", networks)


def test_json(nsface: Run) -> None:
    outcome = nsface("doctor", "--json", "-")
    assert outcome.status == 0
    result = outcome.json
    assert result["python"] == platform.python_version()
    assert result["packages"]["torch"] == version("torch")
    assert None not in result["packages"].values(), "what the tests run with is installed"
    assert result["devices"][-1]["device"] == "cpu"
    assert len(result["devices"]) == 1 + torch.cuda.device_count()
    assert {"float32", "bfloat16"} >= {device["auto_precision"] for device in result["devices"]}
    assert result["extras"]["test"] == []
    sound = {"sound": True, "networks": 2, "faults": []}
    assert result["training"] == {"fp32": sound, "bf16": sound}


def test_table_names_what_is_missing_and_how_to_get_it(nsface: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["tqdm>=4", 'nowhere-to-be-found>=1; extra == "onnx"', "pytest; extra == 'test'", "also-missing"]
    monkeypatch.setattr(installation, "requires", lambda name: lines)
    sound = Verdict("", "", None)
    monkeypatch.setattr("nsface.networks.soundness.examine", lambda network, precision: sound)
    outcome = nsface("doctor")
    assert outcome.status == 0
    assert "also-missing MISSING" in outcome.out
    assert "onnx: missing nowhere-to-be-found; pip install 'nsface[onnx]'" in outcome.out
    assert "test: installed" in outcome.out


@pytest.mark.parametrize(
    ("broken", "remedy"),
    [
        ({"fp32"}, "train on this CPU with --precision bf16, or install another version of PyTorch"),
        ({"bf16"}, "train on this CPU with --precision fp32, or install another version of PyTorch"),
        ({"fp32", "bf16"}, "  install another version of PyTorch"),
    ],
)
def test_a_processor_on_which_training_crashes(
    broken: set[str], remedy: str, nsface: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def examine(network: str, precision: str) -> Verdict:
        crashes = network == "sphereface-4" and precision in broken
        return Verdict(network, precision, "the process died with SIGSEGV" if crashes else None)

    monkeypatch.setattr("nsface.networks.soundness.examine", examine)
    outcome = nsface("doctor", "--json", tmp_path / "doctor.json")
    assert outcome.status == 1
    assert outcome.out.count("NOT SOUND, 1 with a fault (2 networks)") == len(broken)
    assert outcome.out.count("    sphereface-4: the process died with SIGSEGV") == len(broken)
    assert "vgg-cifar:" not in outcome.out
    assert remedy in outcome.out
    found = json.loads((tmp_path / "doctor.json").read_text())["training"]
    for precision in ("fp32", "bf16"):
        assert found[precision]["sound"] == (precision not in broken)
        assert len(found[precision]["faults"]) == (precision in broken)
