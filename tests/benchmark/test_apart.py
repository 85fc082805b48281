"""A measurement in a process of its own, whatever becomes of it."""

from __future__ import annotations

import pytest

from nsface.benchmark.apart import Failed, apart
from tests.benchmark.works import doubled, dying, failing


def test_what_a_process_finds_comes_back() -> None:
    assert apart(doubled, 21) == 42


def test_what_a_process_raises_is_said_in_one_line() -> None:
    with pytest.raises(Failed, match=r"^MemoryError: too small$"):
        apart(failing, "too small\nhere and there")


@pytest.mark.parametrize(
    ("status", "message"),
    [(7, "the process ended with status 7"), (0, "the process died with SIGKILL; memory may be too small")],
)
def test_a_process_that_dies(status: int, message: str) -> None:
    with pytest.raises(Failed) as caught:
        apart(dying, status)
    assert str(caught.value) == message
