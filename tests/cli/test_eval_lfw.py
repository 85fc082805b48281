"""`nsface eval-lfw`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.embeddings import Embeddings, save
from nsface.protocols.lfw import read_pairs

Run = Callable[..., Any]
PEOPLE, FOLDS, PAIRS = 40, 4, 10


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Four folds of ten people each: ten matched pairs and ten mismatched."""
    lines = [f"{FOLDS}\t{PAIRS}"]
    for fold in range(FOLDS):
        people = [f"P{10 * fold + i:02d}" for i in range(10)]
        lines += [f"{name}\t1\t2" for name in people]
        lines += [f"{a}\t1\t{b}\t2" for a, b in zip(people, people[1:] + people[:1], strict=True)]
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def embeddings(path: Path, vectors: np.ndarray) -> Path:
    names = [f"P{i:02d}/P{i:02d}_{j:04d}.jpg" for i in range(PEOPLE) for j in (1, 2)]
    save(path, Embeddings(names, vectors.astype(np.float32), {"flip": "sum"}))
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    people = np.repeat(rng.normal(size=(PEOPLE, 16)), 2, axis=0)
    return embeddings(tmp_path / "good.npz", people + rng.normal(0, 0.8, people.shape))


def test_json_alone_on_standard_output(nsface: Run, good: Path, pairs: Path) -> None:
    outcome = nsface("eval-lfw", good, "--pairs", pairs, "--json", "-", "--far", 0.1)
    assert outcome.status == 0
    result = outcome.json
    keys = {"protocol", "accuracy", "standard_error", "confidence_interval", "folds", "auc", "eer"}
    assert keys < result.keys()
    assert result["protocol"] == "lfw"
    assert result["pairs"] == 80
    assert 0.6 < result["accuracy"] < 1
    low, high = result["confidence_interval"]
    assert low < result["accuracy"] < high <= 1
    low, high = result["identity_interval"]
    assert 0 < low < result["accuracy"] < high < 1
    for point in result["tar_at_far"]:
        for key, share in (("identity_interval", "tar"), ("far_identity_interval", "achieved_far")):
            low, high = point[key]
            assert 0 <= low <= point[share] <= high <= 1
    assert [fold["pairs"] for fold in result["folds"]] == [20] * 4
    assert [point["far"] for point in result["tar_at_far"]] == [0.1]
    assert result["flip"] == "sum"
    assert outcome.err == ""


def test_json_file_beside_the_table(nsface: Run, good: Path, pairs: Path, tmp_path: Path) -> None:
    outcome = nsface("eval-lfw", good, "--pairs", pairs, "--json", tmp_path / "result.json")
    assert outcome.status == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert f"{100 * result['accuracy']:.2f} %" in outcome.out


def test_constant_embeddings_score_half(nsface: Run, tmp_path: Path, pairs: Path) -> None:
    constant = embeddings(tmp_path / "constant.npz", np.full((80, 16), 0.3))
    result = nsface("eval-lfw", constant, "--pairs", pairs, "--json", "-").json
    assert (result["accuracy"], result["auc"], result["eer"]) == (0.5, 0.5, 0.5)
    assert all(point["tar"] == 0 for point in result["tar_at_far"])


def test_a_collapsed_network_scores_about_half(nsface: Run, tmp_path: Path, pairs: Path) -> None:
    """Vectors of one direction, whose cosines differ from 1 by rounding."""
    lengths = np.random.default_rng(0).uniform(0.1, 9, (80, 1))
    direction = np.random.default_rng(1).normal(size=16)
    collapsed = embeddings(tmp_path / "collapsed.npz", lengths * direction)
    outcome = nsface("eval-lfw", collapsed, "--pairs", pairs, "--plots", tmp_path / "plots", "--json", "-")
    assert outcome.status == 0
    assert 0.3 < outcome.json["accuracy"] < 0.7


def test_json_that_cannot_be_written_is_refused_first(nsface: Run, tmp_path: Path, pairs: Path) -> None:
    outcome = nsface("eval-lfw", "not-there.npz", "--pairs", pairs, "--json", tmp_path / "no" / "x.json")
    assert outcome.status == 2
    assert "no such folder" in outcome.err


def test_zero_embeddings_are_mentioned(nsface: Run, tmp_path: Path, pairs: Path) -> None:
    zero = embeddings(tmp_path / "zero.npz", np.zeros((80, 16)))
    outcome = nsface("eval-lfw", zero, "--pairs", pairs, "--json", "-")
    assert outcome.json["accuracy"] == 0.5
    assert "80 embeddings are all zeros" in outcome.err


def test_view_1_takes_its_threshold_from_the_training_list(nsface: Run, good: Path, tmp_path: Path) -> None:
    lists = {}
    for name, start in (("train", 0), ("test", 10)):
        people = [f"P{start + i:02d}" for i in range(10)]
        lines = [f"{name}\t1\t2" for name in people]
        lines += [f"{a}\t1\t{b}\t1" for a, b in zip(people, people[::-1], strict=True)]
        lists[name] = tmp_path / f"{name}.txt"
        lists[name].write_text("\n".join(["10", *lines]))
    alone = nsface("eval-lfw", good, "--pairs", lists["test"], "--json", "-").json
    assert alone["accuracy"] is None
    assert alone["folds"] == []
    arguments = ["--pairs", lists["test"], "--train-pairs", lists["train"], "--json", "-"]
    both = nsface("eval-lfw", good, *arguments).json
    assert both["auc"] == alone["auc"]
    assert 0.5 < both["accuracy"] <= 1
    assert both["interval"] == "95 %, Wilson, identity-aware"
    assert both["confidence_interval"] == both["identity_interval"]
    itself = nsface("eval-lfw", good, "--pairs", lists["test"], "--train-pairs", lists["test"])
    assert itself.status == 2
    assert "15 of its pairs are in" in itself.err


def test_errata_give_both_scores(nsface: Run, good: Path, pairs: Path, tmp_path: Path) -> None:
    errata = tmp_path / "errata.txt"
    errata.write_text("P00/P00_0001.jpg P00/P00_0002.jpg 0\n")
    plain = nsface("eval-lfw", good, "--pairs", pairs, "--json", "-").json
    result = nsface("eval-lfw", good, "--pairs", pairs, "--errata", errata, "--json", "-").json
    assert result["accuracy"] == plain["accuracy"]
    assert result["errata_corrected"]["labels_changed"] == 1
    assert result["errata_corrected"]["accuracy"] != plain["accuracy"]


def test_transforms_are_recorded_and_fitted_on_training_folds(nsface: Run, good: Path, pairs: Path) -> None:
    center = nsface("eval-lfw", good, "--pairs", pairs, "--center", "--json", "-").json
    assert center["transform"] == "center"
    pca = nsface("eval-lfw", good, "--pairs", pairs, "--pca", 16, "--json", "-").json
    assert pca["transform"] == "pca 16"
    assert pca["auc"] == pytest.approx(center["auc"])  # all components kept: a rotation
    few = nsface("eval-lfw", good, "--pairs", pairs, "--pca", 17, "--json", "-")
    assert few.status == 2
    assert "choose 16 or fewer" in few.err


def test_euclidean_is_recorded(nsface: Run, good: Path, pairs: Path) -> None:
    result = nsface("eval-lfw", good, "--pairs", pairs, "--similarity", "euclidean", "--json", "-").json
    assert result["similarity"] == "euclidean"
    assert result["folds"][0]["threshold"] < 0


def test_missing_images_are_named_at_once(nsface: Run, tmp_path: Path, pairs: Path) -> None:
    save(tmp_path / "few.npz", Embeddings(["P00/P00_0001.jpg"], np.ones((1, 4), np.float32)))
    outcome = nsface("eval-lfw", tmp_path / "few.npz", "--pairs", pairs)
    assert (outcome.status, outcome.out) == (2, "")
    assert "79 of 80 images" in outcome.err
    assert "P00/P00_0002.jpg" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give an embeddings file, or --model and --images"),
        (["--model", "m"], "give an embeddings file, or --model and --images"),
        (["x.npz", "--flip", "sum"], "do not go with EMBEDDINGS"),
        (["missing.npz"], "missing.npz: cannot be read: no such file"),
    ],
)
def test_wrong_inputs(nsface: Run, pairs: Path, arguments: list[str], message: str) -> None:
    outcome = nsface("eval-lfw", *arguments, "--pairs", pairs)
    assert outcome.status == 2
    assert message in outcome.err


def test_shared_people_and_repeats_are_mentioned(nsface: Run, good: Path, tmp_path: Path) -> None:
    path = tmp_path / "shared.txt"
    path.write_text("2\t1\nP00\t1\t2\nP00\t1\tP01\t2\nP00\t2\t1\nP02\t1\tP03\t2\n")
    assert read_pairs(path).repeated() == 1
    outcome = nsface("eval-lfw", good, "--pairs", path)
    assert "1 people occur in several folds (P00)" in outcome.err
    assert "1 pairs are repeated" in outcome.err


def test_calibration(nsface: Run, good: Path, pairs: Path, tmp_path: Path) -> None:
    arguments = ["eval-lfw", good, "--pairs", pairs, "--calibration"]
    outcome = nsface(*arguments, "--json", "-", "--plots", tmp_path / "plots")
    found = outcome.json["calibration"]
    assert 0 < found["ece"] < 0.5
    assert sum(entry["count"] for entry in found["bins"]) == 80
    assert (tmp_path / "plots" / "reliability.png").exists()
    assert "expected calibration error" in nsface(*arguments).out
