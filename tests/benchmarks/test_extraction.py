"""The ways that the benchmark of extraction compares embed the same images with the same network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from extraction import by_nsface, export, in_turns, one_by_one, plain_loop

from nsface.embeddings.model import load_model
from tests.tiny_model import write_tiny_model

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytest.importorskip("PIL")


def test_all_ways_give_the_same_embeddings(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model.safetensors")
    export(model, tmp_path / "model.onnx")
    files = tmp_path / "faces"
    files.mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        cv2.imwrite(str(files / f"{number}.png"), rng.integers(0, 256, (112, 96, 3), dtype=np.uint8))
    fp32 = load_model(model, device="cpu", precision="fp32")
    arms = {
        "nsface": by_nsface(fp32, files),
        "plain": plain_loop(model, files),
        "one by one": one_by_one(model, files),
    }
    times, made = in_turns(arms, 2)
    assert {way: len(seconds) for way, seconds in times.items()} == dict.fromkeys(arms, 2)
    for vectors in made.values():
        np.testing.assert_allclose(vectors, made["nsface"], rtol=1e-4, atol=1e-5)
