"""`nsface reproduce faces` on rendered faces, against the single commands and hand-made ensembles."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel

from nsface.embeddings import Embeddings, load, save
from nsface.reproduce.arms import ARMS
from nsface.reproduce.face_outcomes import FaceReproduction
from nsface.reproduce.face_scores import Scored, System
from nsface.reproduce.face_sets import open_sets
from nsface.reproduce.face_table import FACE_ARMS, SCALES, Ensemble
from nsface.reproduce.faces import systems_of
from nsface.reproduce.jobs import jobs_of
from nsface.results import official, read_result
from tests.reproduce.faces_run import Called, Faces, nsface

ON_CPU = ("--device", "cpu", "--precision", "fp32")
ARMS_AND_SEEDS = ("--arms", "softmax,noisy-0.1", "--seeds", "3,5")


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    return Faces(tmp_path_factory.mktemp("faces")).render()


@pytest.fixture(scope="module")
def out(faces: Faces) -> Path:
    """The folder of a table that is complete."""
    folder = faces.folder / "out"
    called = _reproduce(faces, folder)
    assert called.status == 0, called.err
    return folder


def _reproduce(faces: Faces, folder: Path, *more: object) -> Called:
    sets = (*faces.images, "--lists", faces.folder, "--ytf", faces.ytf.images)
    return nsface("reproduce", "faces", *sets, *faces.small, *ARMS_AND_SEEDS, "--out", folder, *more)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(out: Path) -> Any:
    return _read(out / "results.json")


def _commands(faces: Faces) -> dict[str, tuple[object, ...]]:
    """For each file of scores the protocol, its embeddings, and the options of its command."""
    lfw = faces.lfw
    trials = [word for folder in lfw.trials for word in ("--lists", folder)]
    return {
        "lfw-view-2": ("lfw", "lfw.npz", "--pairs", lfw.pairs),
        "fglfw-like-look-alikes": ("fglfw", "lfw.npz", "--pairs", lfw.look_alikes),
        "youtube-faces": ("ytf", "ytf.npz", "--splits", faces.ytf.splits),
        "lfw-identification": ("ident", "lfw.npz", "--people", lfw.people, "--subjects", lfw.subjects),
        "lfw-identification-10-trials": ("ident", "lfw.npz", "--people", lfw.people, *trials),
    }


def test_the_single_commands_give_the_same_files(faces: Faces, out: Path) -> None:
    for run in ("softmax-seed3", "noisy-0.1-seed5"):
        for name, (protocol, embeddings, *options) in _commands(faces).items():
            alone = nsface(f"eval-{protocol}", out / run / str(embeddings), *options, "--json", "-").json
            assert _read(out / run / f"{name}.json") == alone


def test_the_embeddings_are_those_of_extract(faces: Faces, out: Path, tmp_path: Path) -> None:
    run = out / "noisy-0.1-seed3"
    for name, *images in (("lfw", faces.lfw.images), ("ytf", faces.ytf.images, "--splits", faces.ytf.splits)):
        made = nsface("extract", run / "model.safetensors", *images, *ON_CPU, "-o", tmp_path / f"{name}.npz")
        assert made.status == 0
        kept, alone = load(run / f"{name}.npz"), load(tmp_path / f"{name}.npz")
        assert list(kept.names) == list(alone.names)
        np.testing.assert_array_equal(np.asarray(kept.vectors), np.asarray(alone.vectors))


@pytest.mark.parametrize(
    ("ensemble", "members"),
    [
        ("softmax+noisy-0.1-seed5", ("softmax-seed5", "noisy-0.1-seed5")),
        ("noisy-0.1+noisy-0.1-seed3+5", ("noisy-0.1-seed3", "noisy-0.1-seed5")),
    ],
)
def test_an_ensemble_is_the_concatenation_of_normalised_embeddings(
    faces: Faces, out: Path, tmp_path: Path, ensemble: str, members: tuple[str, str]
) -> None:
    for name, (protocol, file, *options) in _commands(faces).items():
        parts = [load(out / member / str(file)) for member in members]
        vectors = [np.asarray(part.vectors, np.float64) for part in parts]
        vectors = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in vectors]
        made = Embeddings(list(parts[0].names), np.concatenate(vectors, axis=1).astype(np.float32))
        save(tmp_path / str(file), made)
        alone = nsface(f"eval-{protocol}", tmp_path / str(file), *options, "--json", "-").json
        kept = _read(out / f"ensemble-{ensemble}" / f"{name}.json")
        for key in ("accuracy", "standard_error", "identity_interval", "closed_set", "open_set"):
            assert _rounded(kept.get(key)) == _rounded(alone.get(key)), (name, key)


def _rounded(value: Any) -> Any:
    """Without the last digits, in which two ways to normalise differ."""
    if isinstance(value, float):
        return pytest.approx(value, abs=1e-6)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


def test_comparisons_are_those_of_compare(faces: Faces, out: Path, found: Any) -> None:
    pair = [out / run / "lfw.npz" for run in ("noisy-0.1-seed5", "softmax-seed5")]
    alone = nsface("compare", *pair, "--pairs", faces.lfw.pairs, "--json", "-").json
    assert _read(out / "noisy-0.1-seed5" / "against-softmax-lfw-view-2.json") == alone
    row = next(
        one
        for one in found["over_pairs"]
        if (one["system"], one["seed"], one["list"]) == ("noisy-0.1", 5, "LFW View 2")
    )
    assert (row["difference"], row["p"]) == (alone["difference"], alone["identity_p_value"])


def test_scores_by_seed_and_tests_over_seeds(out: Path, found: Any) -> None:
    values = {}
    for arm in ("softmax", "noisy-0.1"):
        score = found["systems"][arm]["scores"]["FGLFW-like look-alikes"]["accuracy"]
        files = {seed: _read(out / f"{arm}-seed{seed}" / "fglfw-like-look-alikes.json") for seed in (3, 5)}
        values[arm] = [one["accuracy"] for one in files.values()]
        assert score["by_seed"] == {str(seed): one["accuracy"] for seed, one in files.items()}
        assert score["mean"] == pytest.approx(np.mean(values[arm]))
        assert score["std"] == pytest.approx(np.std(values[arm], ddof=1))
    test = next(
        one for one in found["tests"] if one["list"].startswith("FGLFW") and one["system"] == "noisy-0.1"
    )
    assert test["difference"] == pytest.approx(
        np.subtract(*(np.mean(values[arm]) for arm in ("noisy-0.1", "softmax")))
    )
    if test["p"] is not None:
        assert test["p"] == pytest.approx(ttest_rel(values["noisy-0.1"], values["softmax"]).pvalue)
    assert {one["system"] for one in found["tests"]} == {"noisy-0.1", "softmax+noisy-0.1"}, (
        "ensembles of one arm share networks"
    )


def test_p_values_are_corrected_for_networks_and_for_ensembles(found: Any) -> None:
    for ensembles in (False, True):
        family = [
            one for one in found["over_pairs"] if ("+" in one["system"]) == ensembles and one["p"] is not None
        ]
        assert len(family) > 3
        least = min(family, key=lambda one: float(one["p"]))
        assert least["p_holm"] == pytest.approx(min(1.0, len(family) * least["p"]))


def test_what_is_missing_is_said(faces: Faces, out: Path, found: Any) -> None:
    missing = {one["title"]: one["reason"] for one in found["not_run"]}
    assert missing.keys() == {"LFW View 1", "BLUFR", "FGLFW: look-alikes"}
    text = (out / "results.md").read_text(encoding="utf-8")
    page = (out / "results.html").read_text(encoding="utf-8")
    for title, reason in missing.items():
        assert f"| {title} | {reason} |" in text
        assert title in page
    assert "FGLFW-like look-alikes is not FGLFW." in text
    assert "where the official list was scored: here none was" in text
    assert "| Softmax, WebFace+ | 98.83 | 91.68 | 69.51 | 92.95 | 94.22 |" in text
    assert page.count("<svg") >= 3, "saturation is drawn"


def test_saturation_is_that_of_the_runs(out: Path, found: Any) -> None:
    alone = nsface("saturation", out / "softmax-seed3", "--json", "-").json["runs"][0]["points"]
    assert found["arms"]["softmax"]["saturation"]["3"] == alone


def test_heads_have_no_bias_unless_the_recipe_has_one(out: Path) -> None:
    assert all(ARMS[arm].changes["head.bias"] for arm in SCALES["reduced"].arms)
    assert not any("head.bias" in arm.changes for arm in FACE_ARMS.values())
    assert set(SCALES["reduced"].arms) == {"softmax", "noisy-0.1", "noisy-0.05", "noisy-0.5", "noisy-1"}
    for recipe in out.glob("*-seed?/recipe.yaml"):
        assert "bias: true" not in recipe.read_text(encoding="utf-8")


def _check_terminal(text: str) -> None:
    """Below each figure that papers compare a row a system, in 80 columns."""
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    start = lines.index("LFW View 2")
    assert lines[start + 1].split() == ["score", "diff.", "95", "%", "interval", "p,", "Holm"]
    systems = [line.split()[0] for line in lines[start + 2 : lines.index("", start)]]
    assert systems[:3] == ["softmax", "noisy-0.1", "softmax+noisy-0.1"]


def test_the_same_command_makes_what_is_missing_and_nothing_else(
    faces: Faces, out: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    shutil.copytree(out, again)
    for path in again.rglob("*"):
        os.utime(path, (1, 1))
    (again / "noisy-0.1-seed3" / "lfw-view-2.json").unlink()
    (again / "softmax-seed5" / "lfw.npz").unlink()
    called = _reproduce(faces, again)
    assert called.status == 0
    _check_terminal(called.out)
    assert "LFW View 2, seed 3: scoring" in called.err
    made = {
        str(path.relative_to(again))
        for path in again.rglob("*")
        if path.is_file() and path.stat().st_mtime > 1
    }
    results = {"results.json", "results.md", "results.html"}
    assert made == results | {"noisy-0.1-seed3/lfw-view-2.json", "noisy-0.1-seed3/scored.json"}
    lost = "seconds"  # of the score that was made anew
    first, second = (_without(_read(folder / "results.json"), lost, "command") for folder in (out, again))
    assert first == second


def _without(value: Any, *keys: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, *keys) for key, inner in value.items() if key not in keys}
    return [_without(inner, *keys) for inner in value] if isinstance(value, list) else value


def test_a_list_or_a_model_that_has_changed_is_scored_anew(faces: Faces, out: Path, tmp_path: Path) -> None:
    again, lists = tmp_path / "again", tmp_path / "lists"
    shutil.copytree(out, again)
    lists.mkdir()
    header, *lines = faces.lfw.pairs.read_text(encoding="utf-8").splitlines()
    assert header.split() == ["10", "1"]
    (lists / "pairs.txt").write_text("\n".join(["9\t1", *lines[2:]]) + "\n")
    shutil.copy(again / "noisy-0.1-seed5" / "model.safetensors", again / "noisy-0.1-seed3")
    sets = (*faces.images, "--lists", lists, *faces.small, *ARMS_AND_SEEDS, "--out", again)
    assert nsface("reproduce", "faces", *sets).status == 0
    results = {seed: _read(again / f"noisy-0.1-seed{seed}" / "lfw-view-2.json") for seed in (3, 5)}
    assert [one["pairs"] for one in results.values()] == [18, 18]
    assert results[3]["folds"] == results[5]["folds"], "it is the same model"


def test_quick_is_two_arms_with_two_seeds(faces: Faces, tmp_path: Path) -> None:
    settings = [word for word in faces.small if word not in ("--recipe", "lfw-quick")]
    sets = (*faces.images, "--pairs", faces.lfw.pairs, "--out", tmp_path / "out")
    called = nsface("reproduce", "faces", "--quick", *settings, *sets, "--json", "-")
    assert called.status == 0, called.err
    content = called.json
    assert (content["scale"], content["recipe_name"], content["expected"]) == ("quick", "lfw-quick", 4)
    assert content["recipe"]["iterations"] == 4, "a length that is given takes the place of the scale's"
    assert content["systems"].keys() == {
        "softmax", "noisy-0.1", "softmax+noisy-0.1", "noisy-0.1+noisy-0.1", "softmax+softmax",
    }  # fmt: skip
    assert list(content["systems"]["softmax+softmax"]["members"].values()) == [
        ["softmax-seed0", "softmax-seed1"]
    ]


def test_pairs_of_ensembles() -> None:
    one = Ensemble(("noisy-0.1", "noisy-0.1"))
    assert one.pairs([4, 7, 9]) == {4: (4, 7), 7: (7, 9), 9: (9, 4)}
    assert one.pairs([4, 7]) == {4: (4, 7)}, "7 and 4 are the same pair"
    assert one.pairs([4]) == {}
    assert Ensemble(("softmax", "noisy-0.1")).pairs([4, 7]) == {4: (4, 4), 7: (7, 7)}


def test_networks_that_are_not_there_are_in_no_ensemble(tmp_path: Path) -> None:
    given = {"data": "nowhere"}
    jobs = jobs_of("lfw-quick", {}, ("softmax", "noisy-0.1"), (0, 1, 2), tmp_path, given, FACE_ARMS)
    for job in jobs:
        if (job.arm, job.recipe.seed) != ("noisy-0.1", 1):  # it has diverged
            job.folder.mkdir()
            (job.folder / "model.safetensors").touch()
    named = [
        (one.name, one.seed, tuple(run.path.name for run in one.members))
        for one in systems_of(jobs, tmp_path)
    ]
    assert ("noisy-0.1", 1) not in [one[:2] for one in named]
    assert [one for one in named if one[0] == "softmax+noisy-0.1"] == [
        ("softmax+noisy-0.1", seed, (f"softmax-seed{seed}", f"noisy-0.1-seed{seed}")) for seed in (0, 2)
    ]
    assert [one for one in named if one[0] == "noisy-0.1+noisy-0.1"] == [
        ("noisy-0.1+noisy-0.1", 0, ("noisy-0.1-seed0", "noisy-0.1-seed2"))
    ]


@pytest.mark.parametrize(
    ("option", "file", "title"),
    [
        ("fglfw", "pair_FGLFW.txt", "FGLFW: look-alikes"),
        ("fglfw", "fglfw_like.txt", "FGLFW-like look-alikes"),
        ("fglfw-like", "alike.txt", "FGLFW-like look-alikes"),
    ],
)
def test_a_list_of_the_size_of_fglfw_that_is_called_like_it(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, file: str, title: str
) -> None:
    shutil.copy(faces.lfw.look_alikes, tmp_path / file)
    pairs = len(faces.lfw.look_alikes.read_text(encoding="utf-8").splitlines()) // 2
    monkeypatch.setitem(official.PAIRS, "fglfw", pairs)  # as if FGLFW were as small
    (planned,) = open_sets(faces.lfw.images, None, None, {option: tmp_path / file}).planned
    assert planned.title == title


def test_official_figures_stand_below_the_published_ones(out: Path, tmp_path: Path) -> None:
    content = _read(out / "softmax-seed3" / "lfw-view-2.json")
    official, own = content | {"pairs": 6000, "rendered": None}, content | {"rendered": None}
    for value, expected in ((official, {3: content["accuracy"]}), (own, {})):
        result = read_result(value, tmp_path)
        assert result is not None
        system = System("softmax", 3, (), tmp_path)
        found = FaceReproduction(
            "reduced", SCALES["reduced"], "lfw-small", {}, [], [Scored(system, {"LFW View 2": result})], 1,
            {}, {"LFW View 2": ["pairs.txt"]}, [], {}, [],
        )  # fmt: skip
        assert found.of_table_5() == {"softmax": [expected, {}, {}, {}, {}]}


def test_bad_input_is_refused_in_a_line_before_anything_is_trained(faces: Faces, tmp_path: Path) -> None:
    lfw, splits, lists = faces.lfw, faces.ytf.splits, tmp_path / "lists"
    lists.mkdir()
    shutil.copy(lfw.pairs, lists)
    shutil.copytree(lfw.images, tmp_path / "few")
    shutil.rmtree(tmp_path / "few" / lfw.pairs.read_text(encoding="utf-8").split()[2])
    pairs, train = ("--pairs", lfw.pairs), faces.images
    few = ("--train", faces.folder / "train", "--lfw", tmp_path / "few")
    wide = ("--set", "input.width=112", "--set", "input.template=own", "--set", "input.height=128")
    cases: list[tuple[tuple[object, ...], str]] = [
        (train, "no lists to score: give --lists DIR, or --pairs FILE"),
        ((*train, "--pairs", tmp_path / "none.txt"), "none.txt: cannot be read"),
        ((*train, "--pairs", lfw.look_alikes), "not a list of LFW verification; give another --pairs"),
        ((*train, "--fglfw", lfw.pairs), "not a list of FGLFW: look-alikes; give another --fglfw"),
        ((*train, "--lists", tmp_path / "nowhere"), "nowhere: no such folder"),
        ((*few, *pairs), "images have no embedding"),
        ((*train, *pairs, "--ytf", faces.ytf.images), "there is no list for them; give --splits FILE"),
        ((*train, *pairs, "--splits", splits, "--ytf", lfw.images), "videos have no frames"),
        ((*train, *pairs, "--splits", splits), "give their frames by --ytf"),
        ((*train, *pairs, "--exclude", tmp_path / "none.txt"), "none.txt"),
        ((*train, *pairs, "--arms", "softmax,noisy-7"), "--arms noisy-7: no such arm"),
        ((*train, *pairs, "--arms", "tanh"), "--arms tanh: no such arm"),
        ((*train, *pairs, "--arms", "softmax,softmax"), "--arms softmax: given twice"),
        ((*train, *pairs, "--set", "head.alpha2=1"), "--set head.alpha2: the arms and seeds decide that"),
        ((*train, *pairs, "--set", "data=elsewhere"), "--set data: it has an option of its own"),
        ((*train, *pairs, "--quick"), "--quick has a recipe of its own"),
        ((*train, *pairs, *wide), "is needed; `nsface align` makes such images"),
        (("--train", tmp_path / "nowhere", "--lfw", lfw.images, *pairs), "nowhere"),
        (("--train", faces.folder / "train", "--lfw", tmp_path / "nowhere", *pairs), "nowhere"),
    ]
    for arguments, message in cases:
        called = nsface("reproduce", "faces", *faces.small, "--out", tmp_path / "out", *arguments)
        assert called.status == 2, (arguments, called)
        line = called.err.strip().splitlines()[-1]
        assert message in line, (message, called.err)
        assert not list(tmp_path.glob("out/*/log.jsonl"))
