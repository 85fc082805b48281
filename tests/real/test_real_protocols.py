"""The protocols on real faces, with the baseline of docs/results/protocols.md: whitened PCA embeddings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nsface.embeddings import Embeddings, load
from nsface.protocols.calibrated import calibrate
from nsface.protocols.identification import identify, summary
from nsface.protocols.identification_lists import given_trial, lfw_trial, read_subjects
from nsface.protocols.lfw import image, read_pairs, read_people
from nsface.protocols.verification import verify

pytestmark = pytest.mark.real
SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "pca_embeddings.py"


@pytest.fixture(scope="module")
def lists(real_data: Path) -> Path:
    return real_data / "lists"


@pytest.fixture(scope="module")
def pca(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Embeddings:
    output = tmp_path_factory.mktemp("pca") / "pca.npz"
    sets = [str(real_data / name) for name in ("train-faces-112x96.tar", "lfw-112x96.tar")]
    subprocess.run([sys.executable, str(SCRIPT), *sets, "-o", str(output)], check=True)
    return load(output)


def test_view_2(pca: Embeddings, lists: Path) -> None:
    measured = verify("lfw", pca, read_pairs(lists / "pairs.txt"))
    assert measured.kfold is not None
    assert measured.kfold.accuracy == pytest.approx(0.71, abs=0.01)
    assert measured.kfold.standard_error == pytest.approx(0.0052, abs=0.001)
    assert measured.result().auc == pytest.approx(0.787, abs=0.005)
    assert calibrate(measured).ece < 0.03


def test_view_1(pca: Embeddings, lists: Path) -> None:
    training = read_pairs(lists / "pairsDevTrain.txt")
    measured = verify("lfw", pca, read_pairs(lists / "pairsDevTest.txt"), training=training)
    (held_out,) = measured.folds
    assert held_out.pairs == 1000
    assert held_out.accuracy == pytest.approx(0.722, abs=0.01)


def test_identification(pca: Embeddings, lists: Path) -> None:
    people = [person for fold in read_people(lists / "people.txt") for person in fold]
    everyone = [image(p.name, i) for p in people for i in range(1, p.images + 1)]
    drawn = identify(pca, lfw_trial(people, read_subjects(lists / "lfw_ytf_596.txt", people))).result
    assert drawn.closed_set
    assert drawn.closed_set.rank["1"] == pytest.approx(0.0458, abs=0.005)
    folders = sorted((lists / "lfw_identification").iterdir())
    joined = summary([identify(pca, given_trial(folder, everyone)) for folder in folders])
    assert len(joined["trials"]) == 10
    assert joined["closed_set"].rank["1"] == pytest.approx(0.0407, abs=0.004)
    assert joined["open_set"].dir[0].dir == pytest.approx(0.0211, abs=0.004)
    spread = np.std([trial.closed_set.rank["1"] for trial in joined["trials"]], ddof=1)
    assert joined["closed_set"].rank_std["1"] == pytest.approx(spread)
