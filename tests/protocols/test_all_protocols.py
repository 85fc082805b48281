"""Every protocol finds its lists by their content, and every figure rests on a whole list."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface import evaluate
from nsface.embeddings import Embeddings, load
from nsface.errors import DataError, NsfaceError
from nsface.protocols import load_protocol
from nsface.protocols.all_protocols import score
from nsface.protocols.planning import Findings, find_lists, plan, system_of
from nsface.results import AllProtocols
from tests.cli.golden_inputs import write_inputs

# Under names that say nothing: what each file of the golden inputs is found to be.
KINDS = {
    "pairs.txt": "lfw",
    "fglfw.txt": "fglfw",
    "like.txt": "fglfw",
    "splits.txt": "ytf",
    "own.tsv": "pairs",
    "folds.tsv": "pairs",
    "cplfw.txt": "pairs",
    "easy.bin": "bin",
}
TOGETHER = {
    "ident": ("people.txt", "subjects.txt"),
    "ijb": ("media.txt", "templates.txt"),
}


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    write_inputs(folder)
    return folder


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    folder = tmp_path / "lists"
    folder.mkdir()
    return folder


def found_in(folder: Path) -> dict[str, list[str]]:
    """By protocol the names of all lists that were found together."""
    found: dict[str, list[str]] = {}
    for name, one in find_lists(folder).lists:
        found.setdefault(name, []).append(" ".join(path.name for path in one.lists))
    return found


@pytest.mark.parametrize("file", KINDS)
def test_a_list_is_known_by_its_content(file: str, golden: Path, lists: Path) -> None:
    shutil.copy(golden / file, lists / "x")
    assert found_in(lists) == {KINDS[file]: ["x"]}


@pytest.mark.parametrize("protocol", TOGETHER)
def test_lists_that_belong_together_are_found_together(protocol: str, golden: Path, lists: Path) -> None:
    first, second = TOGETHER[protocol]
    (lists / "below").mkdir()
    shutil.copy(golden / first, lists / "x")
    shutil.copy(golden / second, lists / "below" / "y")
    assert found_in(lists) == {protocol: ["x y"]}


@pytest.mark.parametrize("file", [*KINDS, *TOGETHER["ijb"]])
def test_what_is_no_list_of_a_protocol_is_none(file: str, golden: Path, lists: Path) -> None:
    """The lists of one protocol are of no other, and texts, tables and archives are of none."""
    for name in ("recipe.yaml", "identities.txt", "gallery.txt", "faces.npz", "model.safetensors"):
        source = next(golden.rglob(name))
        shutil.copy(source, lists / name)
    (lists / "labels.txt").write_text("".join(f"{i}.jpg {i // 9 % 4}\n" for i in range(99)))
    (lists / "landmarks.txt").write_text("a/1.jpg 1 2 3 4 5 6 7 8 9 10\n" * 50)
    (lists / "README.md").write_text("# Lists\n\nThese are lists.\n")
    with pytest.raises(DataError, match="no list of a protocol in it; those known are LFW"):
        find_lists(lists)
    shutil.copy(golden / file, lists / "x")
    found = find_lists(lists)
    assert len(found.lists) == 1
    assert len(found.other_files) == 8


@pytest.mark.parametrize("train", ["1100", "10"])
def test_view_1_takes_its_threshold_from_the_training_list(train: str, golden: Path, lists: Path) -> None:
    """By the size of the official lists, whatever they are called; lists of other sizes by their names."""
    sizes = {"train": int(train), "test": 500 if train == "1100" else 10}
    names = {"train": "a", "test": "b"} if train == "1100" else {"train": "my_train", "test": "a"}
    for kind, size in sizes.items():
        people = [f"{kind}{i}" for i in range(size)]
        pairs = [f"{a}\t1\t{b}\t1" for a, b in zip(people, people[1:] + people[:1], strict=True)]
        lines = [str(size), *(f"{person}\t1\t2" for person in people), *pairs]
        (lists / names[kind]).write_text("\n".join(lines) + "\n")
    ((name, found),) = find_lists(lists).lists
    assert (name, found.title) == ("lfw", "LFW View 1")
    assert (Path(found.protocol.train_pairs).name, Path(found.protocol.pairs).name) == (  # type: ignore[union-attr]
        names["train"],
        names["test"],
    )
    (lists / names["train"]).unlink()
    ((_, found),) = find_lists(lists).lists
    assert (found.protocol, found.problem) == (
        None,
        "there is no list for the threshold: pairsDevTrain.txt is missing",
    )


def test_trials_lie_in_folders_beside_each_other(golden: Path, lists: Path) -> None:
    for trial in ("trial1", "trial2"):
        shutil.copytree(golden / trial, lists / "here" / trial)
        shutil.copytree(golden / trial, lists / "there" / trial)
    shutil.copy(golden / "people.txt", lists)
    ((name, found),) = [one for one in find_lists(lists).lists if one[1].protocol and one[0] == "ident"]
    assert (name, found.title) == ("ident", "LFW identification, 2 trials")
    assert [path.parent.name for path in found.lists] == ["here", "here"]
    assert [path.parent.name for path in found.copies] == ["there", "there"]
    (lists / "here" / "trial2" / "open_genuine.txt").unlink()
    problems = [one.problem for _, one in find_lists(lists).lists if one.problem]
    assert "trial2/open_genuine.txt is missing" in problems


def test_impostors_are_never_only_those_that_have_an_embedding(golden: Path, lists: Path) -> None:
    """Without people.txt or a list of impostors, who is missing among them could not be told."""
    shutil.copytree(golden / "trial1", lists / "trial1")
    ((_, found),) = find_lists(lists).lists
    assert found.protocol is None
    assert "give people.txt, or open_impostors.txt" in found.problem
    (lists / "trial1" / "open_impostors.txt").write_text("P19/P19_0001.jpg\n")
    ((_, found),) = find_lists(lists).lists
    assert found.protocol is not None


def test_blufr_is_found_in_both_its_forms(golden: Path, lists: Path) -> None:
    scipy = pytest.importorskip("scipy.io")
    shutil.copytree(golden / "blufr", lists / "blufr")
    trials = load_protocol("blufr")(lists / "blufr").read()  # type: ignore[call-arg]
    images = sorted({name for trial in trials for name in trial.images})
    places = {name: number for number, name in enumerate(images, 1)}
    cells: dict[str, Any] = {}
    for key, sets in (("galIndex", "gallery"), ("probIndex", "probes")):
        cells[key] = np.empty(len(trials), dtype=object)
        for number, trial in enumerate(trials):
            cells[key][number] = [float(places[name]) for name in getattr(trial, sets)]
    cells["imageList"] = np.array([name.rpartition("/")[2] for name in images], dtype=object).reshape(-1, 1)
    scipy.savemat(lists / "config.mat", cells)
    ((name, found),) = find_lists(lists).lists
    assert name == "blufr"
    assert {path.name for path in (*found.lists, *found.copies)} == {"blufr", "config.mat"}


def scored(folder: Path, first: Embeddings, second: Embeddings | None = None) -> AllProtocols:
    system = system_of(first, "first")
    return score(plan(folder, system), system, system_of(second, "second") if second else None)


def test_a_list_of_which_an_image_is_missing_is_not_scored(golden: Path, lists: Path) -> None:
    for name in ("pairs.txt", "own.tsv"):
        shutil.copy(golden / name, lists)
    faces = load(golden / "faces.npz")
    here = [row for row, name in enumerate(faces.names) if name != "P19/P19_0001.jpg"]
    result = scored(lists, Embeddings([faces.names[row] for row in here], faces.vectors[np.array(here)]))
    assert [one.title for one in result.scores] == ["Your own pairs"]
    assert [(one.title, one.missing) for one in result.not_run] == [("LFW View 2", 1)]
    assert "1 of 80 images have no embedding: P19/P19_0001.jpg" in result.not_run[0].reason


def test_a_malformed_list_keeps_no_other_from_being_scored(golden: Path, lists: Path) -> None:
    for name in ("pairs.txt", "own.tsv", "splits.txt"):
        shutil.copy(golden / name, lists)
    lines = (lists / "pairs.txt").read_text().splitlines()
    (lists / "pairs.txt").write_text("\n".join([*lines[:5], "P01\t1\tx", *lines[6:]]) + "\n")
    (lists / "people.txt").write_text("2\n2\nAda\t1\nAda\t1\n1\nBo\t1\n")
    (lists / "windows.tsv").write_bytes((lists / "own.tsv").read_text().encode("utf-16"))
    result = scored(lists, load(golden / "faces.npz"))
    assert [one.title for one in result.scores] == ["Your own pairs (own.tsv)"]
    reasons = {one.title: one.reason for one in result.not_run}
    assert "pairs.txt:6: " in reasons["LFW View 2"]
    assert "'Ada' is listed twice" in reasons["LFW identification"]
    assert "UTF-16" in reasons["Your own pairs (windows.tsv)"]
    assert "40 of 40 videos have no frames: P00/0" in reasons["YouTube Faces"]


def test_a_fault_of_ours_is_not_a_reason(golden: Path, lists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(golden / "pairs.txt", lists)
    monkeypatch.setattr(load_protocol("lfw"), "read", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scored(lists, load(golden / "faces.npz"))


def test_copies_are_scored_once_and_said(golden: Path, lists: Path) -> None:
    (lists / "old").mkdir()
    shutil.copy(golden / "pairs.txt", lists)
    (lists / "old" / "pairs.txt").write_bytes((golden / "pairs.txt").read_bytes().replace(b"\n", b"\r\n"))
    system = system_of(load(golden / "faces.npz"), "faces")
    made = plan(lists, system)
    (one,) = score(made, system).scores
    kept, copy = (Path(path) for path in (*one.lists, *one.copies))
    assert {kept.parent.name, copy.parent.name} == {"lists", "old"}
    assert made.notes == [f"{copy}: the same as {kept}, which is scored once"]


def _ijb(folder: Path, images: int, first: int = 1) -> None:
    """Lists of as many `images`, a template each, two of a person."""
    folder.mkdir()
    numbers = range(first, first + images)
    (folder / "faces.txt").write_text("".join(f"{i}.jpg {i} {i}\n" for i in numbers))
    pairs = "".join(f"{i} {i + 1} 1\n{i} {first + images - 1} 0\n" for i in numbers[:-2:2])
    (folder / "labels.txt").write_text(pairs)


def test_lists_that_may_number_other_images_alike_are_not_scored(lists: Path) -> None:
    """As IJB-B beside IJB-C, whose images are called 1.jpg, 2.jpg, … in both."""
    _ijb(lists / "b", 20)
    _ijb(lists / "c", 30)
    _ijb(lists / "d", 20, first=101)
    names = [f"{i}.jpg" for i in (*range(1, 31), *range(101, 121))]
    vectors = np.random.default_rng(0).normal(size=(len(names), 4)).astype(np.float32)

    def titles(count: int) -> dict[str, str | None]:
        """What is scored of the first `count` embeddings, and why the rest is not."""
        result = scored(lists, Embeddings(names[:count], vectors[:count]))
        scores = {Path(one.lists[0]).parent.name: None for one in result.scores}
        return scores | {Path(one.lists[0]).parent.name: one.reason for one in result.not_run}

    smaller, larger, everything = (titles(count) for count in (20, 30, 50))
    assert (smaller["b"], "10 of 30 images" in str(smaller["c"])) == (None, True)
    assert (larger["c"], "calls images by the same numbers" in str(larger["b"])) == (None, True)
    assert (everything["c"], everything["d"], everything["b"]) == (None, None, larger["b"])


def test_no_title_is_there_twice(golden: Path, lists: Path) -> None:
    (lists / "a").mkdir()
    shutil.copy(golden / "own.tsv", lists / "a" / "pairs.tsv")
    shutil.copy(golden / "folds.tsv", lists / "pairs.tsv")
    shutil.copy(golden / "pairs.txt", lists)
    titles = [one.title for one in scored(lists, load(golden / "faces.npz")).scores]
    assert titles == ["LFW View 2", "Your own pairs (a/pairs.tsv)", "Your own pairs (pairs.tsv)"]


@pytest.fixture
def here(golden: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(golden)
    yield
    os.chdir(before)


SINGLE: dict[str, Callable[[], Any]] = {
    "LFW View 2 (pairs.txt)": lambda: evaluate.lfw("faces.npz", "pairs.txt"),
    "LFW View 1": lambda: evaluate.lfw("faces.npz", "view1-test.txt", train_pairs="view1-train.txt"),
    "LFW identification": lambda: evaluate.ident("faces.npz", people="people.txt", subjects="subjects.txt"),
    "LFW identification, 2 trials": lambda: evaluate.ident(
        "faces.npz", people="people.txt", lists=("trial1", "trial2")
    ),
    "BLUFR": lambda: evaluate.blufr("faces.npz", "blufr"),
    "Your own pairs (few.tsv)": lambda: evaluate.pairs("faces.npz", "few.tsv"),
    "Your own pairs (own.tsv)": lambda: evaluate.pairs("faces.npz", "own.tsv"),
}


@pytest.mark.usefixtures("here")
@pytest.mark.filterwarnings("ignore::nsface.DoubtfulResult")
def test_every_result_is_that_of_its_own_command() -> None:
    titled = evaluate.all("faces.npz", ".").titled()
    assert titled.keys() >= SINGLE.keys()
    for title, alone in SINGLE.items():
        assert titled[title].to_json() == alone().to_json(), title


@pytest.mark.usefixtures("here")
@pytest.mark.filterwarnings("ignore::nsface.DoubtfulResult")
def test_differences_are_those_of_compare_and_corrected_together() -> None:
    result = evaluate.all("faces.npz", ".", against="worse.npz")
    assert (result.system, result.against) == ("faces", "worse")
    by_title = {(one.title, one.what): one for one in result.differences or ()}
    lfw = evaluate.compare("faces.npz", "worse.npz", "lfw", pairs="pairs.txt")
    one = by_title["LFW View 2 (pairs.txt)", "accuracy"]
    assert (one.difference, one.interval, one.p) == (
        lfw.difference,
        lfw.identity_interval,
        lfw.identity_p_value,
    )
    ident = evaluate.compare("faces.npz", "worse.npz", "ident", people="people.txt", subjects="subjects.txt")
    assert ident.rank_1 is not None
    assert by_title["LFW identification", "Rank-1"].p == ident.rank_1.identity_p_value
    ordered = sorted(result.differences or (), key=lambda one: one.p)
    factors = range(len(ordered), 0, -1)
    highest = np.maximum.accumulate([one.p * factor for one, factor in zip(ordered, factors, strict=True)])
    assert [one.p_holm for one in ordered] == pytest.approx(np.minimum(highest, 1))
    assert "LFW identification, 2 trials" in {one.title for one in result.not_compared or ()}


def test_nothing_that_can_be_scored_is_an_error_and_every_reason_is_told(golden: Path, lists: Path) -> None:
    for name in ("splits.txt", "easy.bin"):
        shutil.copy(golden / name, lists)
    system, told = system_of(load(golden / "faces.npz"), "faces"), list[str]()
    with pytest.raises(NsfaceError, match="none of 2 lists in it can be scored"):
        score(plan(lists, system), system, note=told.extend)
    assert any("a model is needed" in sentence for sentence in told)
    assert any("videos have no frames" in sentence for sentence in told)


def test_other_files_are_named(golden: Path, lists: Path) -> None:
    shutil.copy(golden / "pairs.txt", lists)
    (lists / "notes.md").write_text("# Notes\n")
    found: Findings = find_lists(lists)
    assert found.other_files == [str(lists / "notes.md")]
