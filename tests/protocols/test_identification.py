"""LFW's identification protocol and own lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nsface.embeddings import Embeddings
from nsface.errors import DataError
from nsface.protocols.identification import Named, Trial, identify, summary
from nsface.protocols.identification_lists import (
    given_trial,
    lfw_trial,
    named,
    own_trial,
    read_subjects,
    unexpected_counts,
)
from nsface.protocols.lfw import Person, image, read_people

PEOPLE = [Person("B", 3), Person("A", 2), Person("a", 1), Person("Z", 1), Person("M", 2)]


def embeddings(names: list[str], noise: float = 0.1) -> Embeddings:
    """One direction a person, and some noise."""
    random = np.random.default_rng(0)
    people = sorted({name.split("/")[0] for name in names})
    centres = random.normal(size=(len(people), 32))
    rows = [centres[people.index(name.split("/")[0])] for name in names]
    return Embeddings(
        names, (np.array(rows) + noise * random.normal(size=(len(names), 32))).astype(np.float32)
    )


def test_deterministic_draw() -> None:
    trial = lfw_trial(PEOPLE, ["B", "A"])
    assert trial.closed is not None
    assert trial.open is not None
    assert trial.closed[0].images == [image(n, 1) for n in ("A", "B", "Z", "a")]  # byte order: Z before a
    assert trial.closed[1].images == [image("A", 2), image("B", 2), image("B", 3)]
    assert trial.open[0].images == [image("A", 1), image("B", 1)]
    assert trial.open[1].images == [image("A", 2), image("B", 2)]
    assert sorted(trial.open[2].images) == [image("M", 1), image("M", 2), image("Z", 1), image("a", 1)]
    multi = lfw_trial(PEOPLE, ["B", "A"], "multi").open
    assert multi is not None
    assert multi[0].images == [image("A", 1), image("B", 1), image("B", 3)]
    assert "4 closed gallery where the protocol has 4,249" in unexpected_counts(trial, "single")
    with pytest.raises(DataError, match=r"1 subjects have no two images.*: a;"):
        lfw_trial(PEOPLE, ["a"])


@pytest.mark.parametrize("reading", ["single", "multi"])
def test_good_embeddings_find_everybody_and_constant_ones_nobody(reading: str) -> None:
    trial = lfw_trial(PEOPLE, ["B", "A"], reading)  # type: ignore[arg-type]
    names = [image(p.name, i) for p in PEOPLE for i in range(1, p.images + 1)]
    result = identify(embeddings(names), trial, fars=[0.25]).result
    assert result.closed_set
    assert result.open_set
    assert result.closed_set.rank == {"1": 1, "5": 1, "10": 1}
    assert result.open_set.dir[0].dir == 1
    constant = Embeddings(names, np.ones((len(names), 8), np.float32))
    result = identify(constant, trial, fars=[0.25]).result
    assert result.closed_set
    assert result.open_set
    assert result.closed_set.rank["1"] == 0
    assert result.open_set.dir[0].dir == 0


def test_fusion_by_template_and_by_best_score(tmp_path: Path) -> None:
    names = [f"P{i}/{j}.jpg" for i in range(20) for j in range(4)]
    vectors = embeddings(names, noise=1.3)
    (tmp_path / "gallery.txt").write_text("".join(f"{n}\n" for n in names if n[-5] in "012"))
    (tmp_path / "probes.txt").write_text("".join(f"{n}\t{n.split('/')[0]}\n" for n in names if n[-5] == "3"))
    trial = own_trial(tmp_path / "gallery.txt", tmp_path / "probes.txt", None)
    assert trial.open is None
    best, mean = (identify(vectors, trial, fuse=fuse).closed for fuse in ("best", "mean"))
    assert best is not None
    assert mean is not None
    unit = vectors.vectors / np.linalg.norm(vectors.vectors, axis=1, keepdims=True)
    grouped = unit.reshape(20, 4, 32)
    templates = grouped[:, :3].mean(axis=1)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    scores = grouped[:, 3] @ templates.T
    assert mean.rank.tolist() == (scores >= np.diag(scores)[:, None]).sum(axis=1).tolist()
    scores = np.einsum("pd,gjd->pgj", grouped[:, 3], grouped[:, :3]).max(axis=2)
    assert best.rank.tolist() == (scores >= np.diag(scores)[:, None]).sum(axis=1).tolist()


def test_lists_that_contradict_are_refused() -> None:
    a, b = named(["A/1.jpg", "B/1.jpg"]), named(["A/2.jpg"])
    vectors = embeddings(["A/1.jpg", "A/2.jpg", "B/1.jpg", "C/1.jpg"])
    with pytest.raises(DataError, match="no gallery image: C"):
        identify(vectors, Trial("t", (a, named(["C/1.jpg"])), None))
    with pytest.raises(DataError, match="impostors are in the gallery: B"):
        identify(vectors, Trial("t", None, (a, b, Named(["C/1.jpg"], ["B"]))))
    with pytest.raises(DataError, match="must not meet itself"):
        identify(vectors, Trial("t", (a, named(["A/1.jpg"])), None))
    with pytest.raises(DataError, match=r"1 images .*: A/1\.jpg; a probe must not meet itself"):
        identify(vectors, Trial("t", (named(["A/1.jpg", "B/1.jpg"]), named(["A/1", "A/2"])), None))
    with pytest.raises(DataError, match="must not meet itself"):
        identify(vectors, Trial("t", None, (a, b, Named(["B/1.png"], ["somebody else"]))))


def test_several_trials_give_mean_and_sample_deviation(tmp_path: Path) -> None:
    names = [f"P{i}/{j}.jpg" for i in range(30) for j in range(3)]
    vectors = embeddings(names, noise=1.5)
    measured = []
    for t in range(3):
        folder = tmp_path / f"trial{t}"
        folder.mkdir()
        files = {
            "closed_gallery": [f"P{i}/{t}.jpg" for i in range(20)],
            "closed_probe": [f"P{i}/{(t + 1) % 3}.jpg" for i in range(20)],
            "open_gallery": [f"P{i}/{t}.jpg" for i in range(20)],
            "open_genuine": [f"P{i}/{(t + 2) % 3}.jpg" for i in range(20)],
        }
        for name, images in files.items():
            (folder / f"{name}.txt").write_text("\n".join(images))
        trial = given_trial(folder, names)
        assert trial.open is not None
        assert len(trial.open[2]) == 30  # everybody else's images
        multi = given_trial(folder, names, "multi").open
        assert multi is not None
        assert len(multi[0]) == 40  # the other listed images of the subjects, but for the genuine probes
        measured.append(identify(vectors, trial))
    joined = summary(measured)
    rates = [m.result.closed_set.rank["1"] for m in measured if m.result.closed_set]
    assert joined["closed_set"].rank["1"] == pytest.approx(np.mean(rates))
    assert joined["closed_set"].rank_std["1"] == pytest.approx(np.std(rates, ddof=1))
    assert [t.name for t in joined["trials"]] == ["trial0", "trial1", "trial2"]


def test_given_lists_with_people_after_a_tab(tmp_path: Path) -> None:
    names = [f"P{i}/{j}.jpg" for i in range(4) for j in range(3)]
    images = {"closed_gallery": 0, "closed_probe": 1, "open_gallery": 0, "open_genuine": 2}
    for name, j in images.items():
        (tmp_path / f"{name}.txt").write_text("".join(f"./P{i}/{j}.jpg\tid{i}\n" for i in range(2)))
    with pytest.raises(DataError, match=r"open_impostors\.txt: missing"):
        given_trial(tmp_path, names)
    (tmp_path / "open_impostors.txt").write_text("P3/0.jpg\n")
    single, multi = (given_trial(tmp_path, names, reading).open for reading in ("single", "multi"))
    assert single is not None
    assert single[0] == Named(["P0/0.jpg", "P1/0.jpg"], ["id0", "id1"])
    assert multi is not None
    assert multi[0].images == ["P0/0.jpg", "P1/0.jpg", "P0/1.jpg", "P1/1.jpg"]
    assert multi[0].people == ["id0", "id1"] * 2
    for name in images:
        plain = (tmp_path / f"{name}.txt").read_text().replace("\tid0", "").replace("\tid1", "")
        (tmp_path / f"{name}.txt").write_text(plain.replace(".jpg", ""))
    (tmp_path / "open_impostors.txt").unlink()
    trial = given_trial(tmp_path, names, "multi").open
    assert trial is not None
    assert trial[0].images == ["P0/0", "P1/0", "P0/1", "P1/1"]
    assert trial[2].images == names[6:]


def test_counts_of_several_trials_are_means() -> None:
    vectors = embeddings([f"P{i}/{j}.jpg" for i in range(9) for j in range(2)])
    trials = []
    for people in (4, 5):
        gallery, probes = (named([f"P{i}/{j}.jpg" for i in range(people)]) for j in (0, 1))
        trials.append(Trial(str(people), (gallery, probes), None))
    closed = summary([identify(vectors, trial) for trial in trials])["closed_set"]
    assert (closed.gallery, closed.probes) == (4.5, 4.5)


def test_subjects_from_a_copy_of_youtube_faces(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder is named after"):
        read_subjects(tmp_path, PEOPLE)
    for name in ("B", "A", "a", "Nobody_In_LFW"):  # `a` has a single image
        (tmp_path / name).mkdir()
    assert read_subjects(tmp_path, PEOPLE) == ["A", "B"]


@pytest.mark.real
@pytest.mark.parametrize("reading", ["single", "multi"])
def test_counts_of_the_official_protocol(real_data: Path, reading: str) -> None:
    lists = real_data / "lists"
    people = [person for fold in read_people(lists / "people.txt") for person in fold]
    subjects = read_subjects(lists / "lfw_ytf_596.txt", people)
    everyone = [image(p.name, i) for p in people for i in range(1, p.images + 1)]
    trials = [lfw_trial(people, subjects, reading)]  # type: ignore[arg-type]
    for folder in sorted((lists / "lfw_identification").iterdir()):
        trials.append(given_trial(folder, everyone, reading))  # type: ignore[arg-type]
    assert len(trials) == 11
    for trial in trials:
        assert unexpected_counts(trial, reading) == []  # type: ignore[arg-type]
