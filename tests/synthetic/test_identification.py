"""The random draws of identification: sound trials, in the layout that `eval-ident --lists` reads."""

from __future__ import annotations

import hashlib
from dataclasses import astuple

import numpy as np
import pytest

from nsface.embeddings import Embeddings
from nsface.protocols.identification import Named, Trial, identify
from nsface.protocols.identification_lists import given_trial, unexpected_counts
from nsface.synthetic import LfwSet, write_lfw_set
from nsface.synthetic.identification import Draw
from nsface.synthetic.lists import Fold, lfw_folds, subjects

PINNED = "931015f3b6c738c9ddc1a4d126edf5829f81c217d7afc84313697bc04bbfe959"


@pytest.fixture(scope="module")
def lfw(tmp_path_factory: pytest.TempPathFactory) -> LfwSet:
    return write_lfw_set(tmp_path_factory.mktemp("lfw"), folds=2, pairs=10)


@pytest.fixture(scope="module")
def folds() -> list[Fold]:
    """As many people as LFW has, without their images."""
    return lfw_folds(0, 10, 300, 5749)


def test_written_trials_are_read_and_use_every_image_once(lfw: LfwSet) -> None:
    everyone = {path.relative_to(lfw.images).as_posix() for path in lfw.images.rglob("*.jpg")}
    known = lfw.subjects.read_text().split()
    assert [folder.name for folder in lfw.trials] == [f"trial{i:02d}" for i in range(1, 11)]
    for folder in lfw.trials:
        gallery, probes, enrolled, genuine, impostors = both(given_trial(folder, sorted(everyone)))
        assert sorted(enrolled.people) == sorted(genuine.people) == known
        assert not set(enrolled.images) & set(genuine.images)
        assert not set(gallery.images) & set(probes.images)
        assert set(probes.people) == set(known)
        of_subjects = {name for name in everyone if name.split("/")[0] in known}
        assert of_subjects == {n for n in gallery.images if n in of_subjects} | set(probes.images)
        assert set(impostors.images) == everyone - of_subjects
        assert len(gallery.people) == len(set(gallery.people)), "one image each"
        for file in folder.iterdir():
            lines = file.read_bytes().split()
            assert lines == sorted(lines), "in byte order"


def test_as_many_images_as_in_lfw(folds: list[Fold]) -> None:
    chosen = subjects(folds)
    singles = sum(member.count == 1 for fold in folds for member in fold)
    draw = Draw.of(0, 0, folds, chosen)
    assert len(draw.closed_gallery) == len(chosen) + round(singles * 3653 / 4069)
    assert len(draw.closed_probe) == sum(member.count - 1 for member in chosen)
    assert abs(len(draw.closed_gallery) - 4249) < 100
    assert len(draw.open_gallery) == len(draw.open_genuine) == len(chosen)


def test_draws_differ_by_trial_and_by_seed_and_are_the_same_everywhere(folds: list[Fold]) -> None:
    chosen = subjects(folds)
    draws = [Draw.of(seed, trial, folds, chosen) for seed in (0, 1) for trial in (0, 1)]
    for field in ("closed_gallery", "closed_probe", "open_gallery", "open_genuine"):
        assert len({tuple(getattr(draw, field)) for draw in draws}) == 4
    text = "\n".join(name for names in astuple(draws[0]) for name in names)
    assert hashlib.sha256(text.encode()).hexdigest() == PINNED


def test_every_image_of_a_subject_is_drawn_about_as_often(folds: list[Fold]) -> None:
    """A binomial test: with n images, each is the gallery's in a share of 1/n of the trials."""
    member = next(member for fold in folds for member in fold if member.count == 4)
    for field in ("closed_gallery", "open_gallery", "open_genuine"):
        drawn = [getattr(Draw.of(0, trial, [], [member]), field) for trial in range(400)]
        counts = np.unique([names[0] for names in drawn], return_counts=True)[1]
        assert len(counts) == 4
        assert abs(counts - 100).max() < 5 * np.sqrt(400 * 0.25 * 0.75)


def test_perfect_embeddings_find_everybody(lfw: LfwSet) -> None:
    names = sorted(path.relative_to(lfw.images).as_posix() for path in lfw.images.rglob("*.jpg"))
    people = {person: i for i, person in enumerate(sorted({name.split("/")[0] for name in names}))}
    perfect = np.eye(len(people), dtype=np.float32)[[people[name.split("/")[0]] for name in names]]
    trial = given_trial(lfw.trials[3], names)
    result = identify(Embeddings(names, perfect), trial).result
    assert result.closed_set
    assert result.open_set
    assert result.closed_set.rank["1"] == result.open_set.dir[0].dir == 1
    assert unexpected_counts(trial, "single"), "never taken for LFW's own lists"


def both(trial: Trial) -> tuple[Named, Named, Named, Named, Named]:
    assert trial.closed is not None
    assert trial.open is not None
    return *trial.closed, *trial.open
