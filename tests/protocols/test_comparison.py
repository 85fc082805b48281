"""Two systems on the same pairs of templates."""

from __future__ import annotations

import numpy as np
import pytest

from nsface.embeddings import Embeddings
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
