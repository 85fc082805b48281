"""BLUFR: its lists, in text and from MATLAB, and what a trial measures."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from nsface.embeddings import Embeddings
from nsface.errors import DataError
from nsface.metrics.roc import roc, tar_at_far
from nsface.protocols import blufr_lists
from nsface.protocols.blufr import measure, summary
from nsface.protocols.blufr_lists import TrialLists, read_trials, unexpected

NAMES = [f"P_{person}_{number:04d}.jpg" for person in "ABCDEF" for number in (1, 2, 3)]
TRIALS = [([0, 3, 6], [1, 2, 4, 9, 10, 11]), ([0, 9], [1, 12, 13])]


def place(index: int) -> str:
    return f"{NAMES[index][:-9]}/{NAMES[index]}"


def write_lists(folder: Path) -> Path:
    for k, name in enumerate(("gallery_set.txt", "probe_set.txt")):
        lines = ["2"]
        for trial in TRIALS:
            lines += [str(len(trial[k])), *(f"{i + 1}, {NAMES[i]}" for i in trial[k])]
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def write_mat(path: Path) -> Path:
    cells = {"imageList": np.array([[name] for name in NAMES], dtype=object)}
    for k, key in enumerate(("galIndex", "probIndex")):
        cells[key] = np.empty((2, 1), dtype=object)
        for t, trial in enumerate(TRIALS):
            cells[key][t, 0] = np.array(trial[k], dtype=float)[:, None] + 1
    savemat(path, cells)
    return path


def test_both_forms_hold_the_same(tmp_path: Path) -> None:
    trials = read_trials(write_lists(tmp_path))
    assert trials == read_trials(write_mat(tmp_path / "config.mat"))
    (tmp_path / "toolkit").mkdir()
    assert trials == read_trials(write_mat(tmp_path / "toolkit" / "blufr_lfw_config.mat").parent)
    assert [trial.name for trial in trials] == ["trial01", "trial02"]
    assert trials[1].gallery == ["P_A/P_A_0001.jpg", "P_D/P_D_0001.jpg"]
    assert trials[0].probes == [place(i) for i in TRIALS[0][1]]
    assert unexpected(trials) == "2 trials with galleries of 2 to 3, not the 10 with 1,000 of BLUFR"
    full = [TrialLists(str(t), ["x"] * 1000, []) for t in range(10)]
    assert unexpected(full) is None


def test_a_trial_against_definitions() -> None:
    random = np.random.default_rng(0)
    names = [f"P{p}/P{p}_{i:04d}.jpg" for p in range(60) for i in range(1, 5)]
    people = np.repeat(random.normal(size=(60, 8)), 4, axis=0)
    embeddings = Embeddings(names, (people + random.normal(size=people.shape)).astype(np.float32))
    trial = TrialLists("t", names[:160:4], [n for i, n in enumerate(names) if i % 4 or i >= 160])
    result = measure(embeddings, trial)[1]
    assert result.open_set

    vectors = np.asarray(embeddings.vectors).astype(float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = {name: vectors[i] for i, name in enumerate(names)}
    person = {name: name.split("/")[0] for name in names}
    pairs = list(combinations(trial.images, 2))
    same = [person[a] == person[b] for a, b in pairs]
    point = tar_at_far(roc([rows[a] @ rows[b] for a, b in pairs], same), 0.001)
    assert result.tar_at_far[0].tar == point.tar
    assert result.tar_at_far[0].impostors == point.impostors
    assert (result.images, result.genuine) == (240, sum(same))

    enrolled = {person[name] for name in trial.gallery}
    best = {
        p: sorted(((rows[p] @ rows[g], person[g]) for g in trial.gallery), reverse=True) for p in trial.probes
    }
    strangers = sorted(best[p][0][0] for p in trial.probes if person[p] not in enrolled)
    allowed = int(0.01 * len(strangers))
    limit = strangers[-1 - allowed]
    genuine = [p for p in trial.probes if person[p] in enrolled]
    found = [best[p][0][1] == person[p] and best[p][0][0] > limit for p in genuine]
    assert result.open_set.dir[0].dir == pytest.approx(np.mean(found))
    assert (result.open_set.genuine, result.open_set.impostors) == (120, 80)


def test_mean_minus_standard_deviation() -> None:
    random = np.random.default_rng(1)
    names = [f"P{p}/P{p}_{i:04d}.jpg" for p in range(40) for i in range(1, 4)]
    people = np.repeat(random.normal(size=(40, 8)), 3, axis=0)
    embeddings = Embeddings(names, (people + random.normal(size=people.shape)).astype(np.float32))
    trials = []
    for t in range(3):
        chosen = random.permutation(40)[:20] * 3
        gallery = [names[i] for i in chosen]
        trials.append(
            measure(embeddings, TrialLists(f"t{t}", gallery, [n for n in names if n not in gallery]))[1]
        )
    joined = summary(trials)
    tar, dir_ = joined.tar_at_far[0], joined.open_set.dir[0]
    for point, mean, values in (
        (tar, tar.tar, [t.tar_at_far[0].tar for t in trials]),
        (dir_, dir_.dir, [t.open_set.dir[0].dir for t in trials if t.open_set]),
    ):
        assert mean == pytest.approx(np.mean(values))
        assert point.std == pytest.approx(np.std(values, ddof=1))
        assert point.mean_minus_std == pytest.approx(np.mean(values) - np.std(values, ddof=1))
    assert summary(trials[:1]).tar_at_far[0].mean_minus_std is None


def test_probes_of_one_kind_are_refused() -> None:
    names = [f"P{p}/P{p}_{i:04d}.jpg" for p in range(4) for i in range(1, 4)]
    embeddings = Embeddings(names, np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32))
    with pytest.raises(DataError, match="and of others are needed"):
        measure(embeddings, TrialLists("t", names[::3], [n for i, n in enumerate(names) if i % 3]))


@pytest.mark.parametrize(
    ("file", "change", "problem"),
    [
        (
            "gallery_set.txt",
            lambda text: "3" + text[1:],
            r"gallery_set.txt:8: the list ends after 2 of 3 trials",
        ),
        ("gallery_set.txt", lambda text: "1" + text[1:], r"gallery_set.txt:6: a line beyond the 1 trials"),
        ("probe_set.txt", lambda text: text.replace("2, ", "2 ", 1), r"probe_set.txt:3: "),
        (
            "probe_set.txt",
            lambda text: text.replace("P_A_0002.jpg", "A.jpg", 1),
            r"probe_set.txt:3: .*no image of LFW",
        ),
        ("probe_set.txt", lambda text: text[: len(text) // 3], r"probe_set.txt:\d+: "),
        (
            "probe_set.txt",
            lambda text: text.replace("2, P_A_0002", "1, P_A_0001"),
            r"trial 1: some images are listed twice",
        ),
    ],
)
def test_malformed_lists(tmp_path: Path, file: str, change: object, problem: str) -> None:
    path = write_lists(tmp_path) / file
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(DataError, match=problem) as error:
        read_trials(tmp_path)
    assert "\n" not in str(error.value)


def test_no_such_lists(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r": neither gallery_set\.txt nor blufr_lfw_config\.mat in it; give "):
        read_trials(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_trials(tmp_path / "x.mat")


def damaged() -> dict[str, bytes]:
    from io import BytesIO

    files = {"empty": b"", "text": b"hello\n" * 100, "binary": bytes(range(256)) * 8}
    wrong = BytesIO()
    savemat(wrong, {"other": np.zeros(3)})
    files["other variables"] = wrong.getvalue()
    numbers = BytesIO()
    savemat(numbers, {"imageList": np.zeros(3), "galIndex": np.zeros(3), "probIndex": np.zeros(3)})
    files["numbers"] = numbers.getvalue()
    nothing = BytesIO()
    images = np.array([[name] for name in NAMES], dtype=object)
    savemat(nothing, {"imageList": images, "galIndex": np.zeros(0), "probIndex": np.zeros(0)})
    files["no trials"] = nothing.getvalue()
    return files


@pytest.mark.parametrize("what", [*damaged(), "truncated", "index 0", "index beyond"])
def test_files_that_are_no_configuration(tmp_path: Path, what: str) -> None:
    path = write_mat(tmp_path / "c.mat")
    if what == "truncated":
        path.write_bytes(path.read_bytes()[:-300])
    elif what.startswith("index"):
        cells = {"imageList": np.array([[name] for name in NAMES], dtype=object)}
        for key in ("galIndex", "probIndex"):
            cells[key] = np.empty((1, 1), dtype=object)
            cells[key][0, 0] = np.array([[0 if what == "index 0" else 19]])
        savemat(path, cells)
    else:
        path.write_bytes(damaged()[what])
    with pytest.raises(DataError, match=r"c\.mat: ") as error:
        read_trials(path)
    assert "\n" not in str(error.value)


def test_a_mat_that_crashes_its_reader_is_an_error(tmp_path: Path) -> None:
    """Cells that hold another class than their header says end SciPy with a segmentation fault, or raise."""
    data = bytearray(write_mat(tmp_path / "config.mat").read_bytes())
    path = tmp_path / "damaged.mat"
    random = np.random.default_rng(0)
    for _ in range(3):
        damaged = bytearray(data)
        for place in random.integers(128, len(data), 40).tolist():
            damaged[place] = random.integers(0, 256)
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"damaged\.mat: "):
            read_trials(path)


def test_a_mat_made_to_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blufr_lists, "_ROOM", 1 << 24)  # 128 MiB would take long to fill
    path = tmp_path / "large.mat"
    savemat(path, {"imageList": np.zeros((1 << 13, 1 << 13), np.uint8)}, do_compression=True)
    assert path.stat().st_size < 1 << 18
    with pytest.raises(DataError, match=r"large\.mat: not BLUFR's configuration"):
        read_trials(path)


@pytest.mark.parametrize("index", [0, 19, 1.5, -1, np.nan, np.inf, 1e300])
def test_indices_of_a_mat_are_whole_numbers_within_the_list(index: float) -> None:
    with pytest.raises(ValueError, match="indices"):
        blufr_lists._numbers(np.array([[1.0], [index]]), images=18)
