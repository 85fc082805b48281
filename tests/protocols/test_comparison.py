"""Two systems on the same pairs of templates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nsface.embeddings import Embeddings
from nsface.errors import DataError
from nsface.protocols.comparison import compare_templates, compare_verification
from nsface.protocols.ijb import ScoredTemplates
from nsface.protocols.templates import Faces, TemplatePairs
from nsface.protocols.trials import trials
from nsface.protocols.verification import verify


@pytest.mark.parametrize("scale", [1.0, 0.5, 1e-3])
def test_a_system_differs_from_itself_by_nothing(scale: float) -> None:
    random = np.random.default_rng(0)
    names = [f"{person}/{image}.jpg" for person in range(40) for image in (1, 2)]
    vectors = random.normal(size=(80, 4)).astype(np.float32)
    pairs = [(names[2 * i], names[2 * i + 1], True, i // 4) for i in range(40)]
    pairs += [(names[2 * i], names[(2 * i + 3) % 80], False, i // 4) for i in range(40)]
    listed = trials(pairs, "pairs.txt")
    systems = [verify("pairs", Embeddings(names, factor * vectors), listed) for factor in (1.0, scale)]
    found = compare_verification(systems[0], systems[1])
    assert found.identity_interval == (0.0, 0.0)
    assert found.identity_p_value == found.p_value == found.mcnemar.exact == 1.0


@pytest.mark.parametrize("named", ["person/image", "image"])
def test_a_threshold_from_another_list_is_compared_over_pairs(named: str) -> None:
    """LFW's View 1: one fold, whose threshold each system takes from the training list."""
    random = np.random.default_rng(0)
    slash = "/" if named == "person/image" else "_"
    names = [f"{person}{slash}{image}.jpg" for person in range(80) for image in (1, 2)]
    people = np.repeat(random.normal(size=(80, 8)), 2, axis=0)
    lists = []
    for start in (0, 80):
        pairs = [(names[start + 2 * i], names[start + 2 * i + 1], True, 0) for i in range(40)]
        pairs += [(names[start + 2 * i], names[start + (2 * i + 3) % 80], False, 0) for i in range(40)]
        lists.append(trials(pairs, f"list {start}"))
    systems = [
        verify(
            "lfw",
            Embeddings(names, (people + noise * random.normal(size=people.shape)).astype(np.float32)),
            lists[1],
            training=lists[0],
        )
        for noise in (0.3, 1.5)
    ]
    found = compare_verification(systems[0], systems[1])
    right = [system.decisions() == system.trials.same for system in systems]
    expected = stats.ttest_rel(*(one.astype(float) for one in right))
    low, high = expected.confidence_interval()
    assert found.test == "paired t test over pairs"
    assert found.accuracy == (right[0].mean(), right[1].mean())
    assert (found.difference, found.p_value) == pytest.approx(
        (right[0].mean() - right[1].mean(), expected.pvalue)
    )
    assert found.confidence_interval == pytest.approx((low, high))
    assert (found.identity_p_value is None) == (named == "image")
    assert "t test over pairs" in found.named("a", "b").table()


def test_a_comparison_without_any_threshold_is_refused() -> None:
    names = [f"{person}/{image}.jpg" for person in range(4) for image in (1, 2)]
    vectors = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    pairs = trials([(names[0], names[1], True, 0), (names[0], names[2], False, 0)], "few.tsv")
    scored = verify("pairs", Embeddings(names, vectors), pairs)
    with pytest.raises(DataError, match=r"few\.tsv: without folds there is no threshold"):
        compare_verification(scored, scored)


def test_accepted_pairs_are_those_of_the_tar_even_with_ties_at_the_top() -> None:
    random = np.random.default_rng(0)
    count = 40
    left, right = (np.repeat(np.arange(0, 2 * count, 2, dtype=np.int32), 4) + i for i in (0, 1))
    same = np.tile([True, True, False, False], count)
    pairs = TemplatePairs(np.arange(2 * count), left, right, same)
    scores = [random.normal(size=len(same)).astype(np.float32) for _ in range(2)]
    scores[0][[0, 2]] = np.float32(7.1)  # a genuine and an impostor pair tie above all others
    nobody = Embeddings([], np.empty((0, 1), dtype=np.float32))
    faces = Faces([], np.arange(2 * count), np.arange(2 * count))
    first, second = (ScoredTemplates(nobody, faces, pairs, own) for own in scores)
    for point in compare_templates(first, second, fars=(0.0, 1e-3, 0.1)).tar_at_far:
        gained = (point.mcnemar.only_first - point.mcnemar.only_second) / same.sum()
        assert point.difference == pytest.approx(gained)
