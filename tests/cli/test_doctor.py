"""`nsface doctor`: what it says is so."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest
import torch

from nsface.cli import doctor

Run = Callable[..., Any]


def test_json(nsface: Run) -> None:
    result = nsface("doctor", "--json", "-").json
    assert result["python"] == platform.python_version()
    assert result["packages"]["torch"] == version("torch")
    assert None not in result["packages"].values(), "what the tests run with is installed"
    assert result["devices"][-1]["device"] == "cpu"
    assert len(result["devices"]) == 1 + torch.cuda.device_count()
    assert {"float32", "bfloat16"} >= {device["auto_precision"] for device in result["devices"]}
    assert result["extras"]["test"] == []


def test_table_names_what_is_missing_and_how_to_get_it(nsface: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["tqdm>=4", 'nowhere-to-be-found>=1; extra == "onnx"', "pytest; extra == 'test'", "also-missing"]
    monkeypatch.setattr(doctor, "requires", lambda name: lines)
    outcome = nsface("doctor")
    assert outcome.status == 0
    assert "also-missing MISSING" in outcome.out
    assert "onnx: missing nowhere-to-be-found; pip install 'nsface[onnx]'" in outcome.out
    assert "test: installed" in outcome.out


def test_another_build_of_opencv_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_headless(name: str) -> str:
        if name != "opencv-python-headless":
            raise PackageNotFoundError
        return "4.9"

    monkeypatch.setattr(doctor, "version", only_headless)
    monkeypatch.setattr(doctor, "requires", lambda name: ["opencv-python>=4.9"])
    assert doctor.packages() == {"opencv-python": "4.9 (opencv-python-headless)"}
