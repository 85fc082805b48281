"""Exported networks, against the network in PyTorch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from nsface import __version__, load_model, open_source
from nsface.model import save_model
from nsface.synthetic import write_training_set
from tests.tiny_model import tiny_description, write_tiny_model

Run = Callable[..., Any]
FACES = np.random.default_rng(0).integers(0, 256, (5, 112, 96, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered faces of four people, named as LFW's."""
    folder = tmp_path_factory.mktemp("faces")
    made = write_training_set(folder / "made", identities=4, images=2)
    for person, images in enumerate(sorted(path for path in made.rglob("*") if path.is_dir())):
        (folder / "faces" / f"P{person}").mkdir(parents=True)
        for number, image in enumerate(sorted(images.glob("*.jpg")), 1):
            image.rename(folder / "faces" / f"P{person}" / f"P{person}_{number:04d}.jpg")
    return folder / "faces"


def cosines(one: np.ndarray[Any, Any], two: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return np.asarray((one * two).sum(axis=1) / lengths)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("colour", ["RGB", "BGR"])
def test_an_exported_network_is_read_without_options_and_embeds_the_same(
    nsface: Run, tmp_path: Path, inside: bool, colour: str
) -> None:
    std = (64.0, 127.5, 128.0)
    path = write_tiny_model(tmp_path / "m.safetensors", colour=colour, mean=(120.0, 127.5, 130.0), std=std)
    options = ["--with-preprocessing"] if inside else []
    run = nsface("export", path, tmp_path / "m.onnx", *options)
    assert run.status == 0, run.err
    plain = load_model(path, device="cpu", precision="fp32").embed(FACES)
    exported = load_model(tmp_path / "m.onnx", device="cpu")
    assert np.allclose(exported.embed(FACES), plain, rtol=1e-4, atol=1e-5)
    assert (exported.input.mean == 0) == inside
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    if inside:  # RGB pixels go in, whatever order the network itself takes
        (vectors,) = session.run(None, {"images": FACES.transpose(0, 3, 1, 2).astype(np.float32)})
        alone = load_model(path, device="cpu", precision="fp32").embed(FACES, flip="none")
        assert np.allclose(vectors, alone, rtol=1e-4, atol=1e-5)


def test_the_metadata_say_all_that_the_model_file_says(nsface: Run, tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "m.safetensors")
    assert nsface("export", path, tmp_path / "m.onnx").status == 0
    model = onnx.load(tmp_path / "m.onnx")
    content = json.loads({entry.key: entry.value for entry in model.metadata_props}["nsface"])
    loaded = load_model(path, device="cpu")
    assert content["input"] == loaded.input.model_dump(mode="json")
    assert (content["model_digest"], content["embedding_size"]) == (loaded.digest, 16)
    assert (content["network"], content["nsface"]) == ("light-resnet", __version__)
    assert str(Path(__file__).parents[2]) not in str(model)  # nothing of the machine that wrote it
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["images", "embeddings"]


def test_int8_stays_close_and_its_cost_on_pairs_is_printed(nsface: Run, tmp_path: Path, faces: Path) -> None:
    description = tiny_description()
    description = description.model_copy(update={"network": "sphereface-4", "network_arguments": {}})
    torch.manual_seed(0)
    network = description.build()
    for module in network.modules():
        if isinstance(module, torch.nn.PReLU):  # slopes on both sides of 0 and 1
            torch.nn.init.uniform_(module.weight, -0.5, 1.5)
    path = tmp_path / "m.safetensors"
    save_model(path, network, description)
    lines = ["2\t2\n"]
    for mine, other in (("P0", "P1"), ("P2", "P3")):
        lines += [
            f"{mine}\t1\t2\n",
            f"{other}\t1\t2\n",
            f"{mine}\t1\t{other}\t1\n",
            f"{mine}\t2\t{other}\t2\n",
        ]
    (tmp_path / "pairs.txt").write_text("".join(lines))
    how: list[Any] = [
        "--int8",
        "--calibration-images",
        faces,
        "--check",
        faces,
        "--pairs",
        tmp_path / "pairs.txt",
        "--json",
        "-",
    ]
    run = nsface("export", path, tmp_path / "m8.onnx", *how)
    assert run.status == 0, run.err
    found = json.loads(run.out)
    assert found["precision"] == "int8"
    assert found["cosine_distance"]["max"] < 0.01
    assert "difference" in found["comparison"]
    graph = onnx.load(tmp_path / "m8.onnx").graph
    assert not [node for node in graph.node if node.op_type == "PRelu"]
    model = load_model(tmp_path / "m8.onnx", device="cpu")
    assert model.meta("none")["precision"] == "int8"
    plain = load_model(path, device="cpu", precision="fp32")
    pixels = np.stack([open_source(str(faces)).pixels(k) for k in range(4)])
    close = cosines(model.embed(pixels), plain.embed(pixels))
    assert (close > 0.99).all()
    assert (close < 1 - 1e-7).any()  # 8 bits are not floats


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--int8"], "--int8 and --calibration-images go together"),
        (["--pairs", "pairs.txt"], "--pairs needs --check"),
        (["--opset", "11"], "18<=x<=21"),
    ],
)
def test_options_that_do_not_go_together(
    nsface: Run, tmp_path: Path, options: list[str], message: str
) -> None:
    run = nsface("export", write_tiny_model(tmp_path / "m.safetensors"), tmp_path / "m.onnx", *options)
    assert run.status == 2
    assert message in run.err
    assert not (tmp_path / "m.onnx").exists()


def test_an_onnx_file_is_not_exported_again(nsface: Run, tmp_path: Path) -> None:
    assert nsface("export", write_tiny_model(tmp_path / "m.safetensors"), tmp_path / "m.onnx").status == 0
    run = nsface("export", tmp_path / "m.onnx", tmp_path / "n.onnx")
    assert run.status == 2
    assert "an ONNX file already" in run.err
