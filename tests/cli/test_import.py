"""`nsface import`: a model file that extracts as the weights do, and nothing written where it fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from nsface import load_model
from nsface.networks import build

Run = Callable[..., Any]
OPTIONS = ("--colour", "bgr", "--mean", "100", "--std", "50", "--template", "sphereface")
FACES = np.random.default_rng(0).integers(0, 256, (3, 112, 96, 3), dtype=np.uint8)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = build("sphereface-4", height=112, width=96, embedding_size=4)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "w.pth")
    return tmp_path / "w.pth"


def test_the_model_file_embeds_as_the_weights(nsface: Run, weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    assert nsface("import", weights, "-o", output, *OPTIONS).status == 0
    network = build("sphereface-4", height=112, width=96, embedding_size=4).eval()
    network.load_state_dict(torch.load(weights, weights_only=True)["state_dict"])
    images = torch.tensor((FACES[..., ::-1].transpose(0, 3, 1, 2) - 100.0) / 50, dtype=torch.float32)
    with torch.no_grad():
        expected = (network(images) + network(images.flip(3))).numpy()
    made = load_model(output, device="cpu", precision="fp32").embed(FACES)
    assert np.allclose(made, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("faces", ["nowhere", "empty"])
def test_without_faces_to_probe_the_old_file_stays(
    nsface: Run, weights: Path, tmp_path: Path, faces: str
) -> None:
    (tmp_path / "empty").mkdir()
    output = tmp_path / "m.safetensors"
    output.write_text("old")
    nsface(
        "import",
        weights,
        "-o",
        output,
        *OPTIONS,
        "--probe",
        tmp_path / faces,
    )
    assert output.read_text() == "old"


def test_the_model_file_contradicts_another_preset(nsface: Run, weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    assert nsface("import", weights, "-o", output, *OPTIONS).status == 0
    cv2.imwrite(str(tmp_path / "face.png"), FACES[0])
    failed = nsface("extract", output, tmp_path, "-o", tmp_path / "e.npz", "--preset", "adaface")
    assert "its width is 96, not 112 as --preset adaface has it; leave out --preset" in failed.err
