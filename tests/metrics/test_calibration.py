"""Expected calibration error, against a loop over bins."""

from __future__ import annotations

import numpy as np
import pytest

from nsface.errors import DataError
from nsface.metrics.calibration import calibration


@pytest.mark.parametrize("bins", [1, 2, 15])
def test_error_matches_a_loop(bins: int) -> None:
    random = np.random.default_rng(bins)
    for _ in range(50):
        said = random.integers(0, 31, 200) / 30
        right = random.random(200) < said**2
        error = 0.0
        for b in range(bins):
            inside = [(s > b / bins or (b == 0 and s == 0)) and s <= (b + 1) / bins for s in said]
            if any(inside):
                error += np.sum(inside) / 200 * abs(right[inside].mean() - said[inside].mean())
        assert calibration(said, right, bins).error == pytest.approx(error)


def test_known_values() -> None:
    assert calibration([1.0, 1.0], [True, True]).error == 0
    assert calibration([1.0, 1.0], [True, False]).error == 0.5
    assert calibration([0.0], [False]).count.tolist()[0] == 1


@pytest.mark.parametrize(("said", "right"), [([1.2], [True]), ([], []), ([0.5], [True, False])])
def test_bad_input_is_refused(said: list[float], right: list[bool]) -> None:
    with pytest.raises(DataError):
        calibration(said, right)
