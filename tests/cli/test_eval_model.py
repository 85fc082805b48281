"""`eval-*` straight from a model and images, against extraction first and scoring after."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnx import load as load_onnx
from onnx import save as save_onnx

from nsface.embeddings import save
from nsface.embeddings.extraction import extract
from nsface.images.sources import open_source
from nsface.synthetic import write_training_set
from tests.tiny_model import write_tiny_model

Run = Callable[..., Any]
OPTIONS = ["--device", "cpu", "--precision", "fp32", "--flip", "none", "--json", "-"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained model, rendered faces, and a list of pairs with two folds."""
    path = tmp_path_factory.mktemp("model")
    write_tiny_model(path / "model.safetensors")
    faces = open_source(str(write_training_set(path / "faces", identities=12, images=3)))
    lines = []
    for k in range(12):
        mine, other = faces.names[3 * k : 3 * k + 2], faces.names[(3 * k + 3) % 36]
        lines += [f"{mine[0]}\t{mine[1]}\t1\t{k % 2}\n", f"{mine[0]}\t{other}\t0\t{k % 2}\n"]
    (path / "pairs.tsv").write_text("".join(lines))
    return path


def test_an_exported_network_scores_as_its_model(nsface: Run, folder: Path, tmp_path: Path) -> None:
    """With its metadata, and with options in their place."""
    onnx = tmp_path / "m.onnx"
    assert nsface("export", folder / "model.safetensors", onnx).status == 0
    rest = ["--images", folder / "faces", "--pairs", folder / "pairs.tsv", *OPTIONS]
    plain = nsface("eval-pairs", "--model", folder / "model.safetensors", *rest)
    exported = nsface("eval-pairs", "--model", onnx, *rest)
    assert exported.status == 0, exported.err
    assert exported.json["accuracy"] == plain.json["accuracy"]
    assert exported.json["auc"] == pytest.approx(plain.json["auc"], abs=1e-6)
    model = load_onnx(onnx)
    del model.metadata_props[:]
    save_onnx(model, onnx)
    refused = nsface("eval-pairs", "--model", onnx, *rest)
    assert refused.status == 2
    assert "does not say the colour, mean, std, template of its images" in refused.err
    said = ["--colour", "rgb", "--mean", "127.5", "--std", "128", "--template", "sphereface"]
    given = nsface("eval-pairs", "--model", onnx, *said, *rest)
    assert given.json["auc"] == exported.json["auc"]
    wrong = nsface("eval-pairs", "--model", onnx, *said, "--input-size", "112x112", *rest)
    assert "its width is 96, not 112; leave out --input-size" in wrong.err


def test_a_model_and_images_score_as_their_embeddings(nsface: Run, folder: Path) -> None:
    pairs = ["--pairs", folder / "pairs.tsv"]
    images = ["--model", folder / "model.safetensors", "--images", folder / "faces"]
    direct = nsface("eval-pairs", *images, *pairs, *OPTIONS)
    assert direct.status == 0, direct.err
    source = open_source(str(folder / "faces"))
    made = extract(folder / "model.safetensors", source, device="cpu", precision="fp32", flip="none")
    save(folder / "faces.npz", made.embeddings)
    later = nsface("eval-pairs", folder / "faces.npz", *pairs, "--json", "-")
    assert direct.json | {"embeddings": ""} == later.json | {"embeddings": ""}
    assert direct.json["flip"] == "none"


def test_eval_bin_scores_pairs_of_neighbours(nsface: Run, folder: Path) -> None:
    source = open_source(str(folder / "faces"))
    same = [k % 2 == 0 for k in range(20)]
    images = []
    for k in range(20):
        images += [source.read(3 * (k % 12)), source.read(3 * (k % 12) if same[k] else 3 * ((k + 1) % 12))]
    (folder / "easy.bin").write_bytes(pickle.dumps((images, same), 4))
    outcome = nsface("eval-bin", folder / "model.safetensors", folder / "easy.bin", *OPTIONS)
    assert outcome.status == 0, outcome.err
    (result,) = outcome.json["sets"]
    assert (result["protocol"], result["pairs"], result["genuine"]) == ("easy", 20, 10)
    assert result["auc"] == 1  # the same pixels always outscore others
    assert [fold["pairs"] for fold in result["folds"]] == [2] * 10
    (folder / "recipe.yaml").touch()
    sets = [folder / "easy.bin", folder / "again.bin"]
    sets[1].write_bytes(sets[0].read_bytes())
    table = nsface("eval-bin", folder / "model.safetensors", *sets, *OPTIONS[:-2])
    assert "easy" in table.out
    (folder / "recipe.yaml").unlink()
    assert outcome.err == "", "no run folder, no data to be checked"
    assert table.err.startswith("note: names such as 000000 do not say who it is")
    assert table.err.count("\n") == 1
