"""The other `eval-*` commands, from files to figures."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.evaluation import PEOPLE, drawn, made

Run = Callable[..., Any]


def test_eval_pairs_makes_disjoint_folds(nsface: Run, faces: Path, own_pairs: Path, tmp_path: Path) -> None:
    plots = tmp_path / "plots"
    result = nsface("eval-pairs", faces, "--pairs", own_pairs, "--json", "-", "--plots", plots).json
    assert result["protocol"] == "pairs"
    assert result["fold_source"].startswith("10, made")
    assert 0.7 < result["accuracy"] <= 1
    assert drawn(plots, "roc", "det", "scores")


def test_eval_pairs_says_where_there_is_no_accuracy(nsface: Run, faces: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.tsv"
    few.write_text("P00/P00_0001\tP00/P00_0002\t1\nP00/P00_0001\tP01/P01_0002\t0\n")
    outcome = nsface("eval-pairs", faces, "--pairs", few, "--json", "-")
    assert outcome.json["accuracy"] is None
    assert "disjoint folds cannot be made" in outcome.err


def test_eval_ytf_both_poolings(nsface: Run, tmp_path: Path) -> None:
    lines = []
    for split in range(4):
        for i in range(10):
            a, b = PEOPLE[10 * split + i], PEOPLE[10 * split + (i + 1) % 10]
            lines += [
                f"{split + 1}, {2 * i + 1}, {a}/0, {a}/1, 1",
                f"{split + 1}, {2 * i + 2}, {a}/0, {b}/1, 0",
            ]
    (tmp_path / "splits.txt").write_text("\n".join(lines))
    names = [
        f"{person}/{video}/{video}.{frame}.jpg" for person in PEOPLE for video in (0, 1) for frame in range(5)
    ]
    frames = made(tmp_path / "frames.npz", names, noise=1.5)
    arguments = ["eval-ytf", frames, "--splits", tmp_path / "splits.txt", "--json", "-"]
    results = [nsface(*arguments, "--pool", pool).json for pool in ("mean", "pairs")]
    assert [r["pool"] for r in results] == ["mean", "pairs"]
    assert [r["frames"] for r in results] == [400, 400]
    assert all(0.8 < r["accuracy"] <= 1 for r in results)
    assert nsface(*arguments, "--pool", "pairs", "--pca", 3).status == 2


@pytest.mark.parametrize(("count", "protocol"), [(300, "fglfw"), (20, "fglfw-like")])
def test_eval_fglfw(nsface: Run, tmp_path: Path, count: int, protocol: str) -> None:
    lines, names = [], []
    for fold in range(10):
        people = [f"F{fold}P{k}" for k in range(count)]
        names += [f"{person}/{i}.jpg" for person in people for i in (1, 2)]
        lines += [f"{person}/{i}.jpg" for person in people for i in (1, 2)]
        lines += [
            x
            for a, b in zip(people, people[1:] + people[:1], strict=True)
            for x in (f"{a}/1.jpg", f"{b}/2.jpg")
        ]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    vectors = made(tmp_path / "v.npz", names)
    arguments = ["eval-fglfw", vectors, "--pairs", tmp_path / "list.txt"]
    outcome = nsface(*arguments, "--json", "-")
    result = outcome.json
    assert (result["protocol"], result["pairs"], result["genuine"]) == (protocol, 20 * count, 10 * count)
    assert 0.8 < result["accuracy"] < 1
    assert ("not the 6,000 of FGLFW: the result is called 'fglfw-like'" in outcome.err) == (count != 300)
    assert nsface(*arguments, "--name", "mine", "--json", "-").json["protocol"] == "mine"
    assert nsface(*arguments, "--name", "fglfw").status == (0 if count == 300 else 2)
    both = nsface("compare", vectors, vectors, "--protocol", "fglfw", "--pairs", arguments[-1], "--json", "-")
    assert both.json["protocol"] == protocol


def test_eval_ijb(nsface: Run, tmp_path: Path, ijb_lists: tuple[list[str], list[object]]) -> None:
    names, lists = ijb_lists
    vectors = made(tmp_path / "v.npz", names)
    result = nsface("eval-ijb", vectors, *lists, "--json", "-", "--plots", tmp_path / "plots").json
    assert (result["templates"], result["pairs"], result["genuine"]) == (80, 1600, 40)
    assert result["tar_at_far"][-1]["tar"] == 1
    assert result["tar_at_far"][0]["impostors"] == 1560
    assert drawn(tmp_path / "plots", "roc", "det", "scores")


def test_eval_blufr(nsface: Run, faces: Path, tmp_path: Path) -> None:
    for name, images in (
        ("gallery", [f"{person}_0001.jpg" for person in PEOPLE[:20]]),
        ("probe", [f"{person}_{i:04d}.jpg" for person in PEOPLE for i in (2, 3)]),
    ):
        lines = ["2"] + 2 * [str(len(images)), *(f"{i}, {image}" for i, image in enumerate(images, 1))]
        (tmp_path / f"{name}_set.txt").write_text("\n".join(lines))
    arguments = ["eval-blufr", faces, "--lists", tmp_path]
    outcome = nsface(*arguments, "--json", "-", "--plots", tmp_path / "plots")
    result = outcome.json
    assert [trial["name"] for trial in result["trials"]] == ["trial01", "trial02"]
    point = result["tar_at_far"][0]
    assert (point["far"], point["std"], point["mean_minus_std"]) == (0.001, 0, point["tar"])
    assert 0 < point["tar"] < 1
    assert result["open_set"]["dir"][0]["far"] == 0.01
    assert "2 trials with galleries of 20, not the 10 with 1,000 of BLUFR" in outcome.err
    assert drawn(tmp_path / "plots", "dir-far", "det-open-set")
    assert "TAR at FAR 0.1 %" in nsface(*arguments).out


def test_eval_bin_refuses_before_it_needs_a_model(nsface: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.bin").write_bytes(pickle.dumps({"no": "set"}))
    outcome = nsface("eval-bin", tmp_path / "model.safetensors", tmp_path / "bad.bin")
    assert outcome.status == 2
    assert "opcode EMPTY_DICT" in outcome.err
