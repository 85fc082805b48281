"""Commands in several processes that torchrun has started: they share the work, and the first one prints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

from nsface.processes import started_by_torchrun

if TYPE_CHECKING:
    from nsface.ranks import Ranks


@contextmanager
def sharing() -> Iterator[Ranks]:
    """The processes that share the work; what all but the first print within goes nowhere."""
    from nsface.ranks import joined

    with joined() as ranks, ExitStack() as stack:
        if not ranks.first:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        yield ranks


@contextmanager
def sharing_searches() -> Iterator[Ranks | None]:
    """As `sharing`, where each process searches a part of every gallery; None, without torch, if alone."""
    if not started_by_torchrun():
        yield None
        return
    from nsface.metrics.share import Share, shared

    with sharing() as ranks, shared(Share(ranks.rank, ranks.count, ranks.summed, ranks.highest)):
        yield ranks
