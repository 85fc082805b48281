"""What run folders record of people in training and test sets, and the sentences about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nsface.embeddings import Embeddings
from nsface.embeddings.overlap import find_overlap
from nsface.embeddings.overlap_record import overlap_notes, record_overlap
from nsface.errors import DataError
from nsface.run_folder import RunFolder

RECIPE = "data: {faces}\nhead: {{name: softmax}}\nnetwork: {{name: light-resnet}}\nepochs: 1\n"
TRAIN = ["Ann_Lee/1.png", "0000001/1.png", "Cy_Do/1.png"]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    for name in TRAIN:
        (tmp_path / "faces" / name).parent.mkdir(parents=True)
        (tmp_path / "faces" / name).touch()
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.recipe_file.write_text(RECIPE.format(faces=tmp_path / "faces"))
    return run


def embedded(run: RunFolder, *names: str) -> Embeddings:
    meta = {"model": str(run.model_file), "model_digest": "m"}
    return Embeddings(list(names), np.eye(len(names), 4, dtype=np.float32), meta)


def test_a_run_is_noted_until_it_was_compared_by_embeddings_and_nobody_was_found(run: RunFolder) -> None:
    train, test = embedded(run, *TRAIN), embedded(run, "Ann_Lee/1.jpg", "Bo_Ek/1.jpg", "Di_Fox/1.jpg")
    (never,) = overlap_notes(test)
    assert "were never checked" in never
    record_overlap(run, find_overlap(train, test))
    by_name, found = overlap_notes(test)
    assert "were compared with this test set by name only" in by_name
    assert "trained on an identity that seems to be in this test set (Ann_Lee)" in found
    run.recipe_file.write_text(run.recipe_file.read_text() + "exclude: [Ann_Lee, '0000001', Cy_Do]\n")
    record_overlap(run, find_overlap(train, test, threshold=0.9))
    assert overlap_notes(test) == []


def test_names_without_folders_cannot_be_compared(run: RunFolder) -> None:
    (sentence,) = overlap_notes(embedded(run, "1.jpg", "2.jpg"))
    assert "1.jpg do not say who it is" in sentence


def test_fused_models_are_noted_once_a_run(run: RunFolder) -> None:
    test = embedded(run, "Ann_Lee/1.jpg")
    fused = {"fused": [test.meta, test.meta, {"model": "elsewhere/model.safetensors"}, {}]}
    assert len(overlap_notes(Embeddings(test.names, test.vectors, fused))) == 1


def test_what_is_no_run_folder_or_another_training_set_is_refused(run: RunFolder) -> None:
    train, test = embedded(run, *TRAIN[:2]), embedded(run, "Ann_Lee/1.jpg")
    with pytest.raises(DataError, match=r"not a run folder, there is no recipe\.yaml in it; give"):
        record_overlap(RunFolder(run.path.parent), find_overlap(train, test))
    with pytest.raises(DataError, match=r"1 of the 3 identities .* are not in it: Cy_Do; extract the whole"):
        record_overlap(run, find_overlap(train, test))
    assert not run.overlap_file.exists()
