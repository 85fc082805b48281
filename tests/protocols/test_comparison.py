"""Two systems on the same pairs of templates."""

from __future__ import annotations

import numpy as np
import pytest

from nsface.protocols.comparison import compare_templates
from nsface.protocols.ijb import TemplatePairs


def test_accepted_pairs_are_those_of_the_tar_even_with_ties_at_the_top() -> None:
    random = np.random.default_rng(0)
    count = 40
    left, right = (np.repeat(np.arange(0, 2 * count, 2, dtype=np.int32), 4) + i for i in (0, 1))
    same = np.tile([True, True, False, False], count)
    pairs = TemplatePairs(np.arange(2 * count), left, right, same)
    scores = [random.normal(size=len(same)).astype(np.float32) for _ in range(2)]
    scores[0][[0, 2]] = np.float32(7.1)  # a genuine and an impostor pair tie above all others
    for point in compare_templates(scores, pairs, fars=(0.0, 1e-3, 0.1))["tar_at_far"]:
        test = point["mcnemar"]
        gained = (test["only_first"] - test["only_second"]) / same.sum()
        assert point["difference"] == pytest.approx(gained)
