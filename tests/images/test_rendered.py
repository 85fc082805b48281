"""What is trained or measured on rendered faces says so; what is not marked says nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nsface.embeddings.extraction import extract
from nsface.embeddings.fusion import fuse
from nsface.images.rendered import is_rendered, mark_rendered
from nsface.images.sources import open_source
from nsface.images.store.packing import pack
from nsface.recipe.schema import load_recipe
from nsface.synthetic import write_training_set
from nsface.training.run import train

RECIPE = """\
network: {name: light-resnet, embedding_size: 8, channels: 8}
head: {name: softmax}
iterations: 1
batch_size: 4
device: cpu
precision: fp32
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images twice: in `marked`, and in `plain` without the mark."""
    folder = tmp_path_factory.mktemp("sets")
    for name in ("marked", "plain"):
        write_training_set(folder / name / "train", 2, 3)
    write_training_set(folder / "marked" / "train.tar", 2, 3)
    mark_rendered(folder / "marked")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def test_the_mark_counts_for_what_lies_in_its_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marked = folder / "marked"
    assert all(map(is_rendered, map(str, (marked, marked / "train", marked / "train.tar"))))
    assert is_rendered(str(marked / "train" / "0000000"))
    for other in (folder, folder / "plain" / "train", marked / "train" / "0000000" / "001.jpg"):
        assert not is_rendered(str(other))
    monkeypatch.chdir(marked)
    assert is_rendered("train")
    assert not is_rendered("standard input"), "a list of paths may name images of any folder"


@pytest.mark.parametrize("encoded", [False, True])
def test_a_packed_store_has_the_mark_of_its_source(folder: Path, tmp_path: Path, encoded: bool) -> None:
    for name in ("marked", "plain"):
        pack(open_source(str(folder / name / "train")), tmp_path / name, encoded=encoded)
        assert len(open_source(str(tmp_path / name))) == 6
        assert is_rendered(str(tmp_path / name)) == (name == "marked")


@pytest.mark.parametrize(("name", "recorded"), [("marked", {"rendered": True}), ("plain", {})])
def test_runs_and_embeddings_say_that_their_images_are_rendered(
    folder: Path, tmp_path: Path, name: str, recorded: dict[str, bool]
) -> None:
    images = str(folder / name / "train")
    model = train(load_recipe(str(folder / "recipe.yaml"), {"data": images}), tmp_path / "run")
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert {key: environment[key] for key in environment if key == "rendered"} == recorded
    one = extract(model, open_source(images)).embeddings
    both = extract([model, model], open_source(images)).embeddings
    for embeddings in (one, both, fuse([one, one])):
        assert {key: embeddings.meta[key] for key in embeddings.meta if key == "rendered"} == recorded
