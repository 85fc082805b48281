"""Embeddings and lists of others on the command line: what is noted, offered, counted and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.embeddings import Embeddings, load, save
from nsface.embeddings.overlap import names_digest
from nsface.errors import DataError
from nsface.run_folder import OverlapEntry, RunFolder

Run = Callable[..., Any]


@pytest.fixture
def prefixed(faces: Path, tmp_path: Path) -> Path:
    made = load(faces)
    save(tmp_path / "crops.npz", Embeddings([f"crops/{name}" for name in made.names], made.vectors))
    return tmp_path / "crops.npz"


def test_a_prefix_is_offered_and_taken(nsface: Run, faces: Path, prefixed: Path, own_pairs: Path) -> None:
    refused = nsface("eval-pairs", prefixed, "--pairs", own_pairs)
    assert refused.status == 2
    assert "a name there is 'crops/P00/P00_0001.jpg'; give `--name-prefix crops/`" in refused.err
    options = ("--pairs", own_pairs, "--json", "-")
    plain = nsface("eval-pairs", faces, *options).json
    taken = nsface("eval-pairs", prefixed, "--name-prefix", "crops/", *options).json
    assert taken["accuracy"] == plain["accuracy"]
    both = ("compare", prefixed, prefixed, "--protocol", "pairs", "--pairs", own_pairs)
    assert nsface(*both).status == 2
    assert nsface(*both, "--name-prefix", "crops/").status == 0


def test_a_prefix_of_the_list_is_put_before_the_names(nsface: Run, faces: Path, tmp_path: Path) -> None:
    people = [f"P{i:02d}" for i in range(40)]
    (tmp_path / "gallery.txt").write_text("".join(f"lfw/{p}/{p}_0001.jpg\n" for p in people))
    (tmp_path / "probes.txt").write_text("".join(f"lfw/{p}/{p}_0002.jpg\n" for p in people))
    lists = ("--gallery", tmp_path / "gallery.txt", "--probes", tmp_path / "probes.txt")
    refused = nsface("eval-ident", faces, *lists)
    assert "give `--name-prefix lfw/`" in refused.err
    found = nsface("eval-ident", faces, "--name-prefix", "lfw/", *lists, "--json", "-").json
    assert found["closed_set"]["rank"]["1"] > 0.5


@pytest.mark.parametrize("command", ["eval-pairs", "eval-ident", "eval-ijb", "compare", "fuse", "overlap"])
def test_zeros_are_noted_by_every_command(
    nsface: Run, faces: Path, own_pairs: Path, tmp_path: Path, command: str
) -> None:
    made = load(faces)
    vectors = np.array(made.vectors)
    vectors[[3, 5]] = 0
    zeros = tmp_path / "zeros.npz"
    save(zeros, Embeddings(made.names, vectors))
    named = [name for name in made.names if name.endswith(("_0001.jpg", "_0002.jpg"))]
    (tmp_path / "gallery.txt").write_text("\n".join(named[::2]))
    (tmp_path / "probes.txt").write_text("\n".join(named[1::2]))
    (tmp_path / "faces.txt").write_text("".join(f"{name} {i} {i}\n" for i, name in enumerate(made.names)))
    (tmp_path / "templates.txt").write_text("0 1 1\n0 4 0\n")
    options: dict[str, list[object]] = {
        "eval-pairs": ["--pairs", own_pairs],
        "eval-ident": ["--gallery", tmp_path / "gallery.txt", "--probes", tmp_path / "probes.txt"],
        "eval-ijb": ["--faces", tmp_path / "faces.txt", "--pairs", tmp_path / "templates.txt"],
        "compare": [faces, "--protocol", "pairs", "--pairs", own_pairs],
        "fuse": [faces, "-o", tmp_path / "fused.npz"],
        "overlap": [faces],
    }
    outcome = nsface(command, zeros, *options[command])
    assert outcome.status == 0, outcome.err
    assert "zeros.npz: 2 embeddings are all zeros (P00/P00_0004.jpg, P01/P01_0002.jpg)" in outcome.err
    assert "faces.npz: " not in outcome.err


def test_pairs_without_folders_are_not_said_to_share_people(nsface: Run, tmp_path: Path) -> None:
    names = [f"{i}.jpg" for i in range(8)]
    vectors = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    save(tmp_path / "x.npz", Embeddings(names, vectors))
    lines = [f"{i}.jpg\t{i + 1}.jpg\t{k % 2}\t{k // 2}\n" for k, i in enumerate(range(0, 8, 2))]
    (tmp_path / "pairs.txt").write_text("".join(lines))
    outcome = nsface("eval-pairs", tmp_path / "x.npz", "--pairs", tmp_path / "pairs.txt")
    assert (outcome.status, outcome.err) == (0, "")


def test_failures_to_enrol_are_in_the_table_and_in_json(
    nsface: Run, faces: Path, ijb_lists: tuple[list[str], list[object]], tmp_path: Path
) -> None:
    names, lists = ijb_lists
    save(
        tmp_path / "some.npz",
        Embeddings(names[6:], np.random.default_rng(0).normal(size=(len(names) - 6, 8)).astype(np.float32)),
    )
    assert nsface("eval-ijb", tmp_path / "some.npz", *lists).status == 2
    options = (tmp_path / "some.npz", *lists, "--failure-to-enrol", "lowest")
    table = nsface("eval-ijb", *options)
    assert (
        "failed to enrol: 2 templates, in 79 pairs (1 genuine), scored below all others; 6 faces"
        in " ".join(table.out.split())
    )
    result = nsface("eval-ijb", *options, "--json", "-").json
    assert result["failure_to_enrol"] == {"faces": 6, "templates": 2, "pairs": 79, "genuine": 1}
    assert result["templates"] == 80


HOSTILE = ["b\nexclude_me", "b\r", "b\x85c", "#b", " b", "b ", "b\u2028c", "caf\udce9", "b\x0cc"]


@pytest.mark.parametrize("identity", HOSTILE)
def test_an_identity_that_a_line_cannot_hold_is_not_written(
    nsface: Run, tmp_path: Path, identity: str
) -> None:
    made = Embeddings([f"{identity}/1.jpg", "q/1.jpg"], np.eye(2, 4, dtype=np.float32))
    save(tmp_path / "x.npz", made)
    files = (tmp_path / "x.npz", tmp_path / "x.npz")
    outcome = nsface("overlap", *files, "--threshold", 0.9, "--exclude", tmp_path / "exclude.txt")
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "a line of the list for exclude: cannot hold the identity" in outcome.err
    assert not (tmp_path / "exclude.txt").exists()


@pytest.mark.parametrize("name", ["p\x1b[31m/1.jpg", "p\u202e/1.jpg", "p\x07/1.jpg"])
def test_names_are_shown_escaped(nsface: Run, tmp_path: Path, name: str) -> None:
    save(tmp_path / "x.npz", Embeddings([name, "q/1.jpg"], np.eye(2, 4, dtype=np.float32)))
    looked = nsface("overlap", tmp_path / "x.npz", tmp_path / "x.npz")
    (tmp_path / "pairs.txt").write_text(f"{name}\tq/2.jpg\t1\n{name}\tq/1.jpg\t0\n")
    missing = nsface("eval-pairs", tmp_path / "x.npz", "--pairs", tmp_path / "pairs.txt")
    (tmp_path / "pairs.txt").write_text(f"{name}\t{name}\t1\n")
    paired = nsface("eval-pairs", tmp_path / "x.npz", "--pairs", tmp_path / "pairs.txt")
    assert (looked.status, missing.status, paired.status) == (0, 2, 2)
    for text in (looked.out, missing.err, paired.err):
        assert all(line.isprintable() for line in text.splitlines())
    assert "\\" in looked.out
    assert "\\" in paired.err


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder, embeddings of its training set and of a test set, by its model; the working folder."""
    monkeypatch.chdir(tmp_path)
    for identity in ("Ann_Lee", "0000001", "Cy_Do"):
        (tmp_path / "faces" / identity).mkdir(parents=True)
        (tmp_path / "faces" / identity / "1.png").touch()
    (tmp_path / "run").mkdir()
    recipe = "data: faces\nhead: {name: softmax}\nnetwork: {name: light-resnet}\nepochs: 1\n"
    (tmp_path / "run" / "recipe.yaml").write_text(recipe)
    meta = {"model": "run/model.safetensors", "model_digest": "m"}
    vectors = np.eye(4, dtype=np.float32)
    save("train.npz", Embeddings(["Ann_Lee/1.png", "0000001/1.png", "Cy_Do/1.png"], vectors[:3], meta))
    names = ["Ann_Lee/1.jpg", "Bo_Ek/1.jpg", "Di_Fox/1.jpg"]
    save("test.npz", Embeddings(names, vectors[[0, 1, 3]], meta))
    (tmp_path / "pairs.txt").write_text(f"{names[0]}\t{names[1]}\t1\n{names[0]}\t{names[2]}\t0\n")
    return tmp_path / "run"


def recorded(run: Path) -> OverlapEntry:
    return RunFolder(run).read_overlap()[names_digest(load("test.npz").names)]


def test_what_was_compared_is_recorded_and_the_note_stays_until_embeddings_were(
    nsface: Run, run: Path
) -> None:
    def notes() -> str:
        return str(nsface("eval-pairs", "test.npz", "--pairs", "pairs.txt").err)

    look = ("overlap", "train.npz", "test.npz", "--run", "run")
    assert "never checked" in notes()
    outcome = nsface(*look, "--json", "-").json
    assert (outcome["compared"], outcome["named"], outcome["found"]) == (["names"], 2, ["Ann_Lee"])
    assert "were compared with this test set by name only; `nsface overlap" in notes()
    assert recorded(run).found_by == {"names": ["Ann_Lee"]}
    assert nsface(*look, "--threshold", 0.9).status == 0
    assert "only" not in notes()
    assert recorded(run).found == ["0000001", "Ann_Lee"]
    assert recorded(run).compared() == "by name and embedding"
    assert nsface(*look).status == 0, "what embeddings found is not lost by a look at names"
    assert recorded(run).found == ["0000001", "Ann_Lee"]
    assert recorded(run).threshold == 0.9
    assert nsface(*look, "--threshold", 1).status == 0
    assert "trained on 2 identities that seem to be in this test set (0000001, Ann_Lee)" in notes()
    (run / "recipe.yaml").write_text((run / "recipe.yaml").read_text() + "exclude: [Ann_Lee, '0000001']\n")
    assert nsface(*look).status == 0
    assert recorded(run).found == []


def test_numbers_are_no_names_that_were_compared(nsface: Run, run: Path) -> None:
    names = [f"{number:07d}/1.png" for number in range(3)]
    save("test.npz", Embeddings(names, np.eye(3, 4, dtype=np.float32), load("test.npz").meta))
    outcome = nsface("overlap", "train.npz", "test.npz", "--run", "run")
    assert "(0 have a name to compare)" in outcome.out
    assert recorded(run).compared() == "by name only, and no name says who it is"
    assert json.loads((run / "overlap.json").read_text())


@pytest.mark.parametrize("record", ["[]", "{", '{"d": 5}', "\ud800", "[" * 100_000])
def test_a_damaged_record_is_one_line(nsface: Run, run: Path, record: str) -> None:
    (run / "overlap.json").write_text(record, errors="surrogatepass")
    outcome = nsface("eval-pairs", "test.npz", "--pairs", "pairs.txt")
    assert outcome.status == 2
    assert "overlap.json: " in outcome.err


@pytest.mark.parametrize("lines", ["1\n1\nA\t999999999\n", "1\n2\nA\t999999\nB\t2\n", "1000001\n" + "A\t1\n"])
def test_people_with_more_images_than_can_be(tmp_path: Path, lines: str) -> None:
    from nsface.protocols.lfw import read_people

    (tmp_path / "people.txt").write_text(lines)
    with pytest.raises(DataError, match=r"people\.txt:"):
        read_people(tmp_path / "people.txt")


@pytest.mark.parametrize(("label", "found"), [("1", "one person"), ("0", "different people")])
def test_a_list_of_one_kind_of_pairs_is_named(
    nsface: Run, faces: Path, own_pairs: Path, tmp_path: Path, label: str, found: str
) -> None:
    lines = [line for line in own_pairs.read_text().splitlines() if line.split("\t")[2] == label]
    path = tmp_path / "one-kind.txt"
    path.write_text("\n".join(lines))
    refused = nsface("eval-pairs", faces, "--pairs", path)
    assert refused.status == 2
    assert f"one-kind.txt: all pairs are of {found}; add pairs of " in refused.err


def test_folders_that_are_no_people_have_no_interval_by_people(nsface: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    people = random.normal(size=(30, 8))
    names = [f"{camera}/{p}.jpg" for camera in ("left", "right") for p in range(30)]
    vectors = np.concatenate([people, people + random.normal(size=people.shape)]).astype(np.float32)
    save(tmp_path / "x.npz", Embeddings(names, vectors))
    rows = [f"left/{p}.jpg\tright/{q % 30}.jpg\t{int(p == q)}" for p in range(30) for q in (p, p + 1)]
    (tmp_path / "x.txt").write_text("\n".join(rows))
    ran = nsface("eval-pairs", tmp_path / "x.npz", "--pairs", tmp_path / "x.txt", "--json", "-")
    assert "30 of 60 pairs show one person in two folders, or two people in one" in ran.err
    assert ran.json["identity_interval"] is None
    assert all(point["identity_interval"] is None for point in ran.json["tar_at_far"])
