"""What is said of a training that went on although something went wrong."""

from __future__ import annotations

from nsface.run_folder import troubles


def test_skipped_steps_are_counted_over_the_log() -> None:
    assert troubles([{"step": 2}, {"step": 4, "skipped": 0}], {}) == []
    assert troubles([{"step": 2, "skipped": 1}], {}) == ["1 step skipped, which was not finite"]
    log = [{"step": 2, "skipped": 1}, {"step": 4, "skipped": 3}]
    assert troubles(log, {}) == ["4 steps skipped, which were not finite"]


def test_returns_have_a_line_each() -> None:
    returns = [{"step": 1900, "to": 1000, "learning_rate": 0.1}, {"step": 3, "to": 0, "learning_rate": 0.01}]
    assert troubles([], {"returns": returns}) == [
        "went back from step 1,900 to step 1,000, with 0.1 times the learning rate",
        "went back from step 3 to step 0, with 0.01 times the learning rate",
    ]
