"""Learning rates against the formulas."""

from __future__ import annotations

import math

import pytest

from nsface.recipe.sections import Schedule
from nsface.training.schedule import learning_rate


@pytest.mark.parametrize(
    ("time", "rate"), [(0, 0.1), (15_999, 0.1), (16_000, 0.01), (24_000, 0.001), (27_999, 0.001)]
)
def test_step_as_in_the_paper(time: float, rate: float) -> None:
    schedule = Schedule(kind="step", milestones=[16_000, 24_000])
    assert learning_rate(schedule, 0.1, time, 28_000) == pytest.approx(rate)


def test_poly_and_cosine() -> None:
    for share in (0.0, 0.25, 0.5, 0.99):
        poly = learning_rate(Schedule(kind="poly", power=2.0), 3, 10 * share, 10)
        assert poly == pytest.approx(3 * (1 - share) ** 2)
        cosine = learning_rate(Schedule(kind="cosine"), 3, 10 * share, 10)
        assert cosine == pytest.approx(3 * math.cos(math.pi * share / 2) ** 2)


@pytest.mark.parametrize("kind", ["poly", "cosine"])
def test_warm_up_is_linear_and_joins_the_schedule(kind: str) -> None:
    schedule = Schedule(kind=kind, warmup=2.0)  # type: ignore[arg-type]
    rates = [learning_rate(schedule, 0.4, time, 10) for time in (0, 0.5, 1, 2)]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.4])
    assert learning_rate(schedule, 0.4, 6, 10) < 0.4
