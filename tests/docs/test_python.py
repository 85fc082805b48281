"""The examples of docs/python.md, run one after the other as they stand there, on small made inputs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nsface
from nsface.results import Verification, VerificationComparison
from nsface.synthetic import write_lfw_set, write_training_set

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces to train on, an LFW-shaped set, lists, and a model, under the names that the page gives them."""
    folder = tmp_path_factory.mktemp("python")
    write_training_set(folder / "faces", identities=3, images=4)
    made = write_lfw_set(folder / "set", folds=2, pairs=3)
    made.images.rename(folder / "lfw")
    made.pairs.rename(folder / "pairs.txt")
    (folder / "benchmarks").mkdir()
    shutil.copy(folder / "pairs.txt", folder / "benchmarks")
    images = sorted((folder / "lfw").rglob("*.jpg"))
    known = folder / "lfw" / "Aaron_Eckhart" / "Aaron_Eckhart_0001.jpg"
    known.parent.mkdir()
    known.write_bytes(images[0].read_bytes())
    first, second, third = (str(image.relative_to(folder / "lfw")) for image in (*images[:2], images[-1]))
    (folder / "my-pairs.txt").write_text(f"{first}\t{second}\t1\n{first}\t{third}\t0\n")
    recipe = folder / "recipe.yaml"
    recipe.write_text("head: {name: softmax}\nnetwork: {name: light-resnet, embedding_size: 16}\nepochs: 1\n")
    values = {"data": str(folder / "faces"), "batch_size": 6, "device": "cpu"}
    nsface.train(nsface.load_recipe(recipe, values), folder / "runs" / "noisy")
    return folder


@pytest.mark.filterwarnings("ignore::nsface.DoubtfulResult")
def test_every_block_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    values: dict[str, Any] = {}
    for number, block in enumerate(BLOCKS, 1):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), values)

    assert values["vectors"].shape == (len(values["names"]), 128)
    assert isinstance(values["found"], VerificationComparison)
    assert isinstance(values["again"], Verification)
    assert values["again"].to_json() == values["result"].to_json()
    assert values["loss"].item() < np.log(10), "the head has learned"
    assert [str(doubt.message) for doubt in values["doubts"]]
    assert (folder / "runs" / "again" / "model.safetensors").exists()


def test_every_name_that_the_page_uses_is_public() -> None:
    used = set(re.findall(r"\bnsface\.(\w+)", PAGE.read_text(encoding="utf-8")))
    assert used - {"embeddings", "protocols", "results"} <= set(nsface.__all__)
