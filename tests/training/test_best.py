"""Which of two states of a network is the best so far."""

from __future__ import annotations

import pytest

from nsface.model import Selection
from nsface.training.best import Best


def selection(accuracy: float, auc: float, digest: str = "one") -> Selection:
    return Selection(
        step=1,
        epoch=1.0,
        validation="lfw",
        accuracy=accuracy,
        standard_error=0.0,
        auc=auc,
        list_digest=digest,
    )


@pytest.mark.parametrize(
    ("later", "beaten"),
    [
        (selection(0.91, 0.1), True),
        (selection(0.9, 0.96), True),
        (selection(0.9, 0.95), False),
        (selection(0.9, 0.94), False),
        (selection(0.89, 0.99), False),
        (selection(0.5, 0.5, "another"), True),
    ],
)
def test_a_later_state_is_better_only_with_a_higher_score_or_on_another_list(
    later: Selection, beaten: bool
) -> None:
    assert Best(selection(0.9, 0.95), {}).is_beaten_by(later) == beaten
