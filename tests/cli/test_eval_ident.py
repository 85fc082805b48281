"""`eval-ident`: all kinds of lists, from files to figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.evaluation import PEOPLE, drawn, made

Run = Callable[..., Any]


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
    assert drawn(plots, "cmc", "dir-far", "det-open-set")

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
