"""The audit of scored pairs and of searches: what is in it, and what it rests on."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface import evaluate
from nsface.embeddings import Embeddings
from nsface.errors import DoubtfulResult
from nsface.metrics.similarity import cosines
from nsface.metrics.verification import kfold_accuracy
from nsface.protocols.audit import PRACTICES, alignment, given_paths
from nsface.protocols.fglfw import Fglfw
from nsface.protocols.ident import Ident
from nsface.protocols.lfw import Lfw
from nsface.results import Identification, Verification
from nsface.results.audit import Alignment, Audit


@pytest.fixture
def faces() -> Embeddings:
    """Forty people of three images each."""
    random = np.random.default_rng(0)
    people = np.repeat(random.normal(size=(40, 12)), 3, axis=0)
    vectors = (people + 1.2 * random.normal(size=people.shape) + 2).astype(np.float32)
    names = [f"p{i // 3:02d}/p{i // 3:02d}_{i % 3 + 1:04d}.jpg" for i in range(120)]
    return Embeddings(names, vectors)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Four folds of ten people each, as tab-separated pairs."""
    lines = []
    for fold in range(4):
        for person in range(10 * fold, 10 * fold + 10):
            other = 10 * fold + (person + 1) % 10
            image, third = (f"p{person:02d}/p{person:02d}_{number:04d}.jpg" for number in (1, 3))
            lines.append(f"{image}\tp{person:02d}/p{person:02d}_0002.jpg\t1\t{fold}\n")
            lines.append(f"{third}\tp{other:02d}/p{other:02d}_0001.jpg\t0\t{fold}\n")
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(lines))
    return path


def values(result: Verification | Identification) -> dict[tuple[str, str], float]:
    assert result.audit
    return {(one.figure, one.name): one.value for one in result.audit.figures}


def test_an_audit_is_only_made_where_it_is_asked_for(faces: Embeddings, pairs: Path) -> None:
    assert evaluate.pairs(faces, pairs).audit is None
    assert "audit" not in evaluate.pairs(faces, pairs).to_json()


def test_figures_are_beside_those_of_the_result(faces: Embeddings, pairs: Path) -> None:
    result = evaluate.pairs(faces, pairs, audit=True, far=(0.1, 0.01))
    assert result.audit
    found = values(result)
    assert result.accuracy is not None
    assert found["accuracy", "test_pairs_by_fold"] >= result.accuracy
    accuracies = [fold.accuracy for fold in result.folds]
    assert found["standard error", "population_deviation"] == pytest.approx(np.std(accuracies))
    honest = {
        "accuracy": result.accuracy,
        "standard error": result.standard_error,
        **{point.name: point.tar for point in result.tar_at_far},
    }
    assert {one.figure: one.honest for one in result.audit.figures} == honest
    for one in result.audit.figures:
        assert one.honest is not None
        assert one.difference == pytest.approx(one.value - one.honest, abs=1e-8)
    assert {name for _, name in found} <= PRACTICES.keys()


def test_a_transform_fitted_on_all_pairs_is_that_of_every_image(faces: Embeddings, pairs: Path) -> None:
    result = evaluate.pairs(faces, pairs, center=True, audit=True)
    fields = [line.split("\t") for line in pairs.read_text().splitlines()]
    vectors = np.asarray(faces.vectors)
    rows = [[faces.names.index(line[side]) for line in fields] for side in (0, 1)]
    centred = vectors - vectors[np.unique(rows)].mean(axis=0)
    same, fold = np.array([line[2] == "1" for line in fields]), [int(line[3]) for line in fields]
    expected = kfold_accuracy(cosines(centred[rows[0]], centred[rows[1]]), same, fold).accuracy
    assert values(result)["accuracy", "transform_on_all_pairs"] == pytest.approx(expected)
    assert ("accuracy", "transform_on_all_pairs") not in values(evaluate.pairs(faces, pairs, audit=True))


def test_without_folds_there_is_no_measured_accuracy_to_compare_with(
    faces: Embeddings, tmp_path: Path
) -> None:
    path = tmp_path / "few.txt"
    path.write_text("2\np00 1 2\np01 1 2\np00 1 p01 1\np02 1 p03 1\n")
    result = evaluate.lfw(faces, path, audit=True)
    assert result.audit
    (accuracy,) = [one for one in result.audit.figures if one.figure == "accuracy"]
    assert (accuracy.name, accuracy.honest, accuracy.difference) == ("test_pairs_together", None, None)
    assert "–" in result.audit.table()


def test_distances_have_no_grid_of_squared_distances_of_unit_vectors(faces: Embeddings, pairs: Path) -> None:
    result = evaluate.pairs(faces, pairs, similarity="euclidean", audit=True)
    assert ("accuracy", "grid_of_400") not in values(result)


def test_lists_have_their_hash(faces: Embeddings, pairs: Path) -> None:
    result = evaluate.pairs(faces, pairs, audit=True)
    assert result.audit
    (listed,) = result.audit.lists
    assert (listed.path, listed.sha256) == (str(pairs), hashlib.sha256(pairs.read_bytes()).hexdigest())


def test_every_path_that_was_given_is_a_list(tmp_path: Path) -> None:
    assert given_paths(Lfw("pairs.txt", errata="errata.txt")) == ["pairs.txt", "errata.txt"]
    assert given_paths(Fglfw("list.txt", name="mine")) == ["list.txt"]
    assert given_paths(Ident(lists=("a", "b"))) == ["a", "b"]


def searched(faces: Embeddings, folder: Path, **options: Any) -> Identification:
    names = {"gallery": faces.names[0:60:3], "probes": faces.names[1:60:3], "impostors": faces.names[60:]}
    for name, images in names.items():
        (folder / name).write_text("".join(f"{image}\n" for image in images))
    lists: dict[str, Any] = {name: folder / name for name in names}
    return evaluate.ident(faces, **lists, audit=True, **options)


def test_constant_embeddings_find_everybody_where_ties_count_in_favour(
    faces: Embeddings, tmp_path: Path
) -> None:
    constant = replace(faces, vectors=np.ones((120, 4), np.float32))
    result = searched(constant, tmp_path, far=(0.1,))
    assert result.closed_set
    assert result.closed_set.rank["1"] == 0
    assert values(result)["Rank-1", "optimistic_rank"] == 1
    assert values(result)["DIR at FAR 10 %", "quantile_threshold"] == 0, "its rank is pessimistic still"


def test_searches_are_audited_against_their_own_rates(faces: Embeddings, tmp_path: Path) -> None:
    result = searched(faces, tmp_path, far=(0.05,))
    assert result.open_set
    found, (point,) = values(result), result.open_set.dir
    for practice in ("interpolated", "nearest_far"):
        assert found[point.name, practice] >= point.dir - 1e-12
    assert result.audit
    assert [Path(one.path).name for one in result.audit.lists] == ["gallery", "probes", "impostors"]


def given_trials(faces: Embeddings, folders: list[Path]) -> Identification:
    with pytest.warns(DoubtfulResult, match="not those of LFW's protocol"):
        return evaluate.ident(faces, lists=tuple(folders), audit=True, far=(0.1,))


def test_over_several_trials_figures_are_means(faces: Embeddings, tmp_path: Path) -> None:
    folders = []
    for number in range(2):
        folder = tmp_path / f"trial{number}"
        folder.mkdir()
        lists = {"closed_gallery": 0, "closed_probe": 1, "open_gallery": 0, "open_genuine": 1}
        for name, image in lists.items():
            images = faces.names[(image + number) % 3 : 60 : 3]
            (folder / f"{name}.txt").write_text("".join(f"{one}\n" for one in images))
        folders.append(folder)
    alone, together = [values(given_trials(faces, [one])) for one in folders], given_trials(faces, folders)
    assert together.audit
    assert values(together) == pytest.approx({key: (alone[0][key] + alone[1][key]) / 2 for key in alone[0]})
    assert len(together.audit.lists) == 8
    assert "8 files" in together.audit.table()


def test_alignment_is_that_of_the_record_then_of_the_model() -> None:
    model = {"preprocessing": {"height": 112, "width": 96, "template": "sphereface", "mean": 127.5}}
    record = {"alignment": {"template": "arcface", "size": [112, 112], "detector": "yunet"}}
    assert alignment({}) == Alignment()
    assert alignment(model) == Alignment(template="sphereface", size=(112, 96))
    assert alignment(model | record) == Alignment(template="arcface", size=(112, 112), detector="yunet")
    odd: dict[str, Any] = {"alignment": {"template": 3, "size": ["a", -1], "detector": []}}
    assert alignment(odd | {"preprocessing": "x"}) == Alignment()


def test_the_model_and_flip_are_those_of_the_embeddings(faces: Embeddings, pairs: Path) -> None:
    def audit(meta: dict[str, Any]) -> Audit:
        found = evaluate.pairs(replace(faces, meta=meta), pairs, audit=True).audit
        assert found
        return found

    one = {"model": "a.safetensors", "model_digest": "ab12", "flip": "sum"}
    single, fused = audit(one), audit({"fused": [one, one | {"model": "b"}], "flip": "sum"})
    assert (single.model, single.model_digest, single.flip) == ("a.safetensors", "ab12", "sum")
    assert (fused.model, fused.model_digest) == ("a.safetensors + b", "ab12 + ab12")
    assert (audit({}).model, audit({}).model_digest, audit({}).flip) == (None, None, None)


def test_a_list_that_came_through_a_pipe_has_no_hash(faces: Embeddings, pairs: Path) -> None:
    read, write = os.pipe()
    os.write(write, pairs.read_bytes())
    os.close(write)
    result = evaluate.pairs(faces, f"/dev/fd/{read}", audit=True)
    os.close(read)
    assert result.audit
    assert result.audit.lists[0].sha256 is None
