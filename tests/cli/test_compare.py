"""`compare`: two systems on each protocol, from files to figures."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from nsface.embeddings import Embeddings, save
from tests.cli.evaluation import PEOPLE, drawn, made

Run = Callable[..., Any]


def test_compare_with_montage(
    nsface: Run, faces: Path, own_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{person}/{person}_{i:04d}.jpg" for person in PEOPLE for i in range(1, 5)]
    worse = made(tmp_path / "worse.npz", names, noise=3.0)
    images = tmp_path / "images"
    for name in names:
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(images / name), np.full((112, 96, 3), 90, np.uint8))
    arguments = ["compare", faces, worse, "--protocol", "pairs", "--pairs", own_pairs]
    montage = ["--montage", tmp_path / "m.png", "--images", images, "--plots", tmp_path / "plots"]
    outcome = nsface(*arguments, *montage, "--json", "-")
    result = outcome.json
    assert result["systems"] == ["faces", "worse"]
    assert result["difference"] == pytest.approx(result["accuracy"][0] - result["accuracy"][1])
    assert result["difference"] > 0
    assert result["p_value"] < 0.05
    assert result["identity_p_value"] < 0.05
    low, high = result["identity_interval"]
    assert 0 < low < result["difference"] < high
    one, two = result["mcnemar"]["only_first"], result["mcnemar"]["only_second"]
    assert one + two == len(result["disagreements"])
    assert cv2.imread(str(tmp_path / "m.png")) is not None
    assert drawn(tmp_path / "plots", "roc", "det", "scores-faces", "scores-worse")
    table = nsface(*arguments).out
    assert "only faces right" in table
    assert "identity-aware" in table
    same = nsface("compare", faces, faces, "--protocol", "pairs", "--pairs", own_pairs, "--json", "-").json
    assert (same["difference"], same["p_value"], same["disagreements"]) == (0, 1, [])
    for folder, source in (("a", faces), ("b", worse)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "lfw.npz").write_bytes(source.read_bytes())
    arguments = ["compare", "a/lfw.npz", "b/lfw.npz", "--protocol", "pairs", "--pairs", own_pairs]
    monkeypatch.chdir(tmp_path)
    outcome = nsface(*arguments, "--plots", "figures", "--json", "-")
    assert outcome.json["systems"] == ["a/lfw.npz", "b/lfw.npz"]
    assert drawn(tmp_path / "figures", "roc", "det", "scores-a-lfw.npz", "scores-b-lfw.npz")
    missing = nsface(*arguments, "--montage", tmp_path / "m.png")
    assert missing.status == 2


def test_compare_identification(nsface: Run, faces: Path, tmp_path: Path) -> None:
    (tmp_path / "people.txt").write_text("40\n" + "".join(f"{person}\t4\n" for person in PEOPLE))
    (tmp_path / "subjects.txt").write_text("\n".join(PEOPLE[:20]))
    lists = ["--people", tmp_path / "people.txt", "--subjects", tmp_path / "subjects.txt"]
    result = nsface("compare", faces, faces, "--protocol", "ident", *lists, "--json", "-").json
    assert [point["difference"] for point in result["dir"]] == [0, 0]
    assert [point["p_value"] for point in result["dir"]] == [1, 1]
    assert (result["rank_1"]["identity_interval"], result["rank_1"]["identity_p_value"]) == ([0, 0], 1)
    assert "DIR at FAR 1 %" in nsface("compare", faces, faces, "--protocol", "ident", *lists).out
    assert nsface("compare", faces, faces, "--protocol", "ident").status == 2


def test_compare_ijb(nsface: Run, tmp_path: Path, ijb_lists: tuple[list[str], list[object]]) -> None:
    names, lists = ijb_lists
    good, bad = made(tmp_path / "good.npz", names), made(tmp_path / "bad.npz", names, noise=3.0)
    arguments = ["compare", good, bad, "--protocol", "ijb", *lists]
    outcome = nsface(*arguments, "--json", "-", "--plots", tmp_path / "plots")
    result = outcome.json
    assert (result["systems"], result["people"], result["genuine"]) == (["good", "bad"], 40, 40)
    single = [nsface("eval-ijb", file, *lists, "--json", "-").json["tar_at_far"] for file in (good, bad)]
    for point, one, two in zip(result["tar_at_far"], *single, strict=True):
        assert point["tar"] == [one["tar"], two["tar"]]
        low, high = point["identity_interval"]
        assert low <= point["difference"] <= high
        table = point["mcnemar"]
        assert table["only_first"] - table["only_second"] == round(40 * point["difference"])
    assert result["tar_at_far"][3]["difference"] > 0.3
    assert result["tar_at_far"][3]["mcnemar"]["mid_p"] < 0.01
    assert result["tar_at_far"][3]["identity_p_value"] < 0.01
    assert drawn(tmp_path / "plots", "roc", "det", "scores-good", "scores-bad")
    assert "40 genuine of 40 people" in nsface(*arguments).out
    assert nsface("compare", good, bad, "--protocol", "ijb", "--pairs", lists[3]).status == 2


def test_compare_bin_sets(nsface: Run, tmp_path: Path) -> None:
    names = [f"{number:06d}" for number in range(80)]
    same = [k % 2 == 0 for k in range(40)]
    random = np.random.default_rng(0)
    first = random.normal(size=(40, 16))
    second = np.where(np.array(same)[:, None], first, random.normal(size=(40, 16)))
    pairs = np.stack([first, second], axis=1).reshape(80, 16)
    for name, noise in (("good", 0.1), ("bad", 4.0)):
        vectors = (pairs + noise * random.normal(size=pairs.shape)).astype(np.float32)
        save(tmp_path / f"{name}.npz", Embeddings(names, vectors))
    (tmp_path / "set.bin").write_bytes(pickle.dumps(([b"x"] * 80, same), 4))
    arguments = ["compare", tmp_path / "good.npz", tmp_path / "bad.npz", "--protocol", "bin"]
    result = nsface(*arguments, "--pairs", tmp_path / "set.bin", "--json", "-").json
    assert result["accuracy"][0] == 1
    assert result["difference"] > 0.2
    assert (result["identity_interval"], result["identity_p_value"]) == (None, None)
    table = nsface(*arguments, "--pairs", tmp_path / "set.bin").out
    assert "only good right" in table
    assert "identity-aware" not in table


@pytest.mark.parametrize(
    ("protocol", "lists"), [("ident", ("--people", "--subjects")), ("ijb", ("--pairs", "--faces"))]
)
def test_montage_without_pairs_of_images_is_refused_before_anything_is_read(
    nsface: Run, tmp_path: Path, protocol: str, lists: tuple[str, str]
) -> None:
    missing = tmp_path / "missing"
    given = [argument for option in lists for argument in (option, missing)]
    arguments = ["compare", missing, missing, "--protocol", protocol, *given]
    outcome = nsface(*arguments, "--montage", tmp_path / "m.png", "--images", missing)
    assert outcome.status == 2
    assert (
        outcome.err == f"nsface compare: {protocol} has no pairs of images: there is no --montage of them\n"
    )
