"""Signals become a request; a second Ctrl-C is obeyed at once; handlers are put back."""

from __future__ import annotations

import os
import signal

import pytest

from nsface.training.interruption import Interruption


def test_first_signal_is_a_request_and_the_second_interrupt_is_obeyed() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interruption() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
