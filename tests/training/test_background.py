"""Work beside the training: one piece at a time, and no error is lost."""

from __future__ import annotations

import threading

import pytest

from nsface.training.background import Background


def fail() -> None:
    raise OSError("full")


def test_one_piece_at_a_time() -> None:
    background, go_on = Background(), threading.Event()
    done: list[object] = []
    background.start(lambda: done.append(go_on.wait(10)))
    assert background.busy
    background.check()
    assert done == []
    threading.Timer(0.05, go_on.set).start()
    background.start(lambda: done.append("second"))
    background.wait()
    assert done == [True, "second"]
    assert not background.busy


def test_an_error_is_raised_once_when_it_is_asked_for() -> None:
    background = Background()
    background.start(fail)
    with pytest.raises(OSError, match="full"):
        background.wait()
    background.wait()
    background.start(fail)
    while background.busy:
        pass
    with pytest.raises(OSError, match="full"):
        background.check()
    background.start(fail)
    with pytest.raises(OSError, match="full"):
        background.start(fail)
    background.check()
