"""The other `eval-*` commands and `compare`, from files to figures."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from nsface.embeddings import Embeddings, save

Run = Callable[..., Any]
PEOPLE = [f"P{i:02d}" for i in range(40)]


def made(path: Path, names: list[str], noise: float = 0.9, seed: int = 0) -> Path:
    """Embeddings with a direction for each person and noise."""
    random = np.random.default_rng(seed)
    centres = {person: random.normal(size=24) for person in sorted({name.split("/")[0] for name in names})}
    vectors = np.array([centres[name.split("/")[0]] + noise * random.normal(size=24) for name in names])
    save(path, Embeddings(names, vectors.astype(np.float32), {"flip": "sum"}))
    return path


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    names = [f"{person}/{person}_{i:04d}.jpg" for person in PEOPLE for i in range(1, 5)]
    return made(tmp_path / "faces.npz", names)


@pytest.fixture
def own_pairs(tmp_path: Path) -> Path:
    lines = []
    for a, b in zip(PEOPLE[::2], PEOPLE[1::2], strict=True):
        lines += [f"{a}/{a}_0001.jpg\t{a}/{a}_000{i}.jpg\t1\n" for i in (2, 3, 4)]
        lines += [f"{a}/{a}_0001.jpg\t{b}/{b}_000{i}.jpg\t0\n" for i in (2, 3, 4)]
    path = tmp_path / "own.tsv"
    path.write_text("".join(lines))
    return path


def drawn(folder: Path, *names: str) -> bool:
    """Whether these figures, and no others, are in `folder` as PNG and SVG."""
    expected = sorted(f"{name}.{suffix}" for name in names for suffix in ("png", "svg"))
    return sorted(path.name for path in folder.iterdir()) == expected


def test_eval_pairs_makes_disjoint_folds(nsface: Run, faces: Path, own_pairs: Path, tmp_path: Path) -> None:
    plots = tmp_path / "plots"
    result = nsface("eval-pairs", faces, "--pairs", own_pairs, "--json", "-", "--plots", plots).json
    assert result["protocol"] == "pairs"
    assert result["fold_source"].startswith("10, made")
    assert 0.7 < result["accuracy"] <= 1
    assert drawn(plots, "roc", "scores")


def test_eval_pairs_says_where_there_is_no_accuracy(nsface: Run, faces: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.tsv"
    few.write_text("P00/P00_0001\tP00/P00_0002\t1\nP00/P00_0001\tP01/P01_0002\t0\n")
    outcome = nsface("eval-pairs", faces, "--pairs", few, "--json", "-")
    assert outcome.json["accuracy"] is None
    assert "disjoint folds cannot be made" in outcome.err


def test_eval_ident_draw_lists_and_own(nsface: Run, faces: Path, tmp_path: Path) -> None:
    (tmp_path / "people.txt").write_text("40\n" + "".join(f"{person}\t4\n" for person in PEOPLE))
    (tmp_path / "subjects.txt").write_text("\n".join(PEOPLE[:10]))
    lfw = ["--people", tmp_path / "people.txt", "--subjects", tmp_path / "subjects.txt"]
    plots = tmp_path / "plots"
    outcome = nsface("eval-ident", faces, *lfw, "--far", 0.1, "--plots", plots, "--json", "-")
    result = outcome.json
    assert result["protocol"] == "lfw-identification"
    assert result["closed_set"]["probes"] == 30
    assert {"far", "rank", "dir", "threshold", "achieved_far", "confidence_interval"} == result["open_set"][
        "dir"
    ][0].keys()
    assert "not those of LFW's protocol" in outcome.err
    assert drawn(plots, "cmc", "dir-far")

    for name, number in (("gallery", 1), ("probes", 2)):
        lines = [f"{person}/{person}_{number:04d}.jpg\n" for person in PEOPLE[:10]]
        (tmp_path / f"{name}.txt").write_text("".join(lines))
    own = nsface(
        "eval-ident",
        faces,
        "--gallery",
        tmp_path / "gallery.txt",
        "--probes",
        tmp_path / "probes.txt",
        "--json",
        "-",
    )
    assert own.json["protocol"] == "identification"
    assert "open_set" not in own.json
    assert own.err == ""

    for t in (1, 2):
        folder = tmp_path / f"trial{t}"
        folder.mkdir()
        for name, number in (
            ("closed_gallery", 1),
            ("closed_probe", 2),
            ("open_gallery", 1),
            ("open_genuine", 3),
        ):
            lines = [f"{person}/{person}_{number:04d}.jpg\n" for person in PEOPLE[:10]]
            (folder / f"{name}.txt").write_text("".join(lines))
    given = nsface(
        "eval-ident", faces, "--lists", tmp_path / "trial1", "--lists", tmp_path / "trial2", "--json", "-"
    )
    assert len(given.json["trials"]) == 2
    assert given.json["closed_set"]["rank_std"]["1"] == 0
    assert nsface("eval-ident", faces, "--lists", tmp_path / "trial1").status == 0


@pytest.mark.parametrize(
    "arguments",
    [[], ["--people", "p"], ["--subjects", "s"], ["--gallery", "g"], ["--lists", "a", "--gallery", "g"]],
)
def test_eval_ident_wants_one_kind_of_lists(nsface: Run, faces: Path, arguments: list[str]) -> None:
    assert nsface("eval-ident", faces, *arguments).status == 2


def test_eval_ident_similarity_and_transforms(nsface: Run, faces: Path, tmp_path: Path) -> None:
    for name, number in (("gallery", 1), ("probes", 2)):
        lines = [f"{person}/{person}_{number:04d}.jpg\n" for person in PEOPLE[:10]]
        (tmp_path / f"{name}.txt").write_text("".join(lines))
    arguments = [
        "eval-ident",
        faces,
        "--gallery",
        tmp_path / "gallery.txt",
        "--probes",
        tmp_path / "probes.txt",
    ]
    others = [f"Q{i}/{j}.jpg" for i in range(9) for j in range(5)]
    fit_on = ["--fit-on", made(tmp_path / "others.npz", others, seed=5)]
    plain = nsface(*arguments, "--json", "-").json
    assert (plain["similarity"], plain["transform"]) == ("cosine", "none")
    distance = nsface(*arguments, "--similarity", "euclidean", "--json", "-").json
    assert distance["similarity"] == "euclidean"
    reduced = nsface(*arguments, "--pca", 2, *fit_on, "--json", "-").json
    assert reduced["transform"] == "pca 2"
    assert reduced["closed_set"]["rank"]["1"] < plain["closed_set"]["rank"]["1"]
    rotated = nsface(*arguments, "--pca", 24, *fit_on, "--similarity", "euclidean", "--json", "-").json
    assert rotated["closed_set"] == distance["closed_set"], "distances survive centring and a rotation"
    for refused, why in (
        (["--pca", 2], "need --fit-on"),
        (fit_on, "need --fit-on"),
        (["--center", "--fit-on", faces], "20 of its images are in the gallery or among the probes"),
        (["--pca", 46, *fit_on], "choose 24 or fewer"),
    ):
        outcome = nsface(*arguments, *refused)
        assert outcome.status == 2
        assert why in outcome.err


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


@pytest.fixture
def ijb_lists(tmp_path: Path) -> tuple[list[str], list[object]]:
    """Names of faces, and the options with two lists of 80 templates and 1,600 pairs."""
    names = [f"{person}/{i}.jpg" for person in PEOPLE for i in range(6)]
    faces = [f"{name} {2 * (k // 6) + (k % 6) // 3} {k // 2}" for k, name in enumerate(names)]
    (tmp_path / "faces.txt").write_text("\n".join(faces))
    pairs = [f"{2 * i} {2 * j + 1} {int(i == j)}" for i in range(40) for j in range(40)]
    (tmp_path / "pairs.txt").write_text("\n".join(pairs))
    return names, ["--faces", tmp_path / "faces.txt", "--pairs", tmp_path / "pairs.txt"]


def test_eval_ijb(nsface: Run, tmp_path: Path, ijb_lists: tuple[list[str], list[object]]) -> None:
    names, lists = ijb_lists
    vectors = made(tmp_path / "v.npz", names)
    result = nsface("eval-ijb", vectors, *lists, "--json", "-", "--plots", tmp_path / "plots").json
    assert (result["templates"], result["pairs"], result["genuine"]) == (80, 1600, 40)
    assert result["tar_at_far"][-1]["tar"] == 1
    assert result["tar_at_far"][0]["impostors"] == 1560
    assert drawn(tmp_path / "plots", "roc", "scores")


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
        low, high = point["identity_bootstrap_interval"]
        assert low <= point["difference"] <= high
        table = point["mcnemar"]
        assert table["only_first"] - table["only_second"] == round(40 * point["difference"])
    assert result["tar_at_far"][3]["difference"] > 0.3
    assert result["tar_at_far"][3]["mcnemar"]["mid_p"] < 0.01
    assert drawn(tmp_path / "plots", "roc")
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
    assert result["identity_bootstrap_interval"] is None
    table = nsface(*arguments, "--pairs", tmp_path / "set.bin").out
    assert "only good right" in table
    assert "resampling people" not in table


def test_compare_with_montage(nsface: Run, faces: Path, own_pairs: Path, tmp_path: Path) -> None:
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
    one, two = result["mcnemar"]["only_first"], result["mcnemar"]["only_second"]
    assert one + two == len(result["disagreements"])
    assert cv2.imread(str(tmp_path / "m.png")) is not None
    assert drawn(tmp_path / "plots", "roc", "scores-faces", "scores-worse")
    assert "only faces right" in nsface(*arguments).out
    same = nsface("compare", faces, faces, "--protocol", "pairs", "--pairs", own_pairs, "--json", "-").json
    assert (same["difference"], same["p_value"], same["disagreements"]) == (0, 1, [])
    missing = nsface(*arguments, "--montage", tmp_path / "m.png")
    assert missing.status == 2


def test_compare_identification(nsface: Run, faces: Path, tmp_path: Path) -> None:
    (tmp_path / "people.txt").write_text("40\n" + "".join(f"{person}\t4\n" for person in PEOPLE))
    (tmp_path / "subjects.txt").write_text("\n".join(PEOPLE[:20]))
    lists = ["--people", tmp_path / "people.txt", "--subjects", tmp_path / "subjects.txt"]
    result = nsface("compare", faces, faces, "--protocol", "ident", *lists, "--json", "-").json
    assert [point["difference"] for point in result["dir"]] == [0, 0]
    assert [point["p_value"] for point in result["dir"]] == [1, 1]
    assert "DIR at FAR 1 %" in nsface("compare", faces, faces, "--protocol", "ident", *lists).out
    assert nsface("compare", faces, faces, "--protocol", "ident").status == 2


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
    assert drawn(tmp_path / "plots", "dir-far")
    assert "TAR at FAR 0.1 %" in nsface(*arguments).out


def test_eval_bin_refuses_before_it_needs_a_model(nsface: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.bin").write_bytes(pickle.dumps({"no": "set"}))
    outcome = nsface("eval-bin", tmp_path / "model.safetensors", tmp_path / "bad.bin")
    assert outcome.status == 2
    assert "opcode EMPTY_DICT" in outcome.err
