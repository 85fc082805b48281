"""How the processes that a launcher has started find each other, and how they part."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist

from nsface.lifeline import Lifeline, step_limit
from nsface.meeting import meet
from nsface.private_torch import meet_ranks
from nsface.processes import end_with_parent, started_by_torchrun
from nsface.ranks.group import ALONE, TIMEOUT, Ranks

_CLOSING = 2.0  # seconds that Gloo may take to close its connections after a failure


@contextmanager
def joined(remedy: str = "give the same command again") -> Iterator[Ranks]:
    """The ranks that torchrun has started, connected within this context; `ALONE` without torchrun.

    Only the rank that fails first raises its error. Ranks that fail after it end silently, since they have
    failed either for the same reason or because that rank has left them. Where a rank ends without an error,
    because it was killed, or hangs, all others end within seconds, and one says which it was.

    Args:
        remedy: what the user should do then; the end of the message.

    Raises:
        NsfaceError: not all ranks have come, or NSFACE_RANK_TIMEOUT is no number.
    """
    if not started_by_torchrun():
        yield ALONE
        return
    limit = step_limit()
    outlive_parent = end_with_parent()  # torchrun, when it is killed, leaves its ranks running or waiting
    store, rank, count = meet_ranks()
    local = int(os.environ["LOCAL_RANK"])
    peers, meeting = meet(store, rank, count, os.environ["MASTER_ADDR"])
    store = dist.PrefixStore(meeting, store)  # type: ignore[attr-defined]  # documented
    lifeline = Lifeline(rank, count, peers, rank == 1 or local == 0, remedy, limit)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=TIMEOUT)
        ranks = Ranks(rank, count, local, lifeline)
        yield ranks
        ranks.wait()  # who leaves early would break the connections of those that still use them
    except BaseException as error:
        # a connection that breaks is noticed in the midst of an exchange before the lifeline says why
        if lifeline.known(_CLOSING if isinstance(error, RuntimeError) else 0.2) or not _fails_first(store):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from torchrun, which ends all when one has ended
            lifeline.follow()
            _close_connections()
            raise SystemExit(1) from error
        lifeline.fail()
        _close_connections()
        raise
    dist.destroy_process_group()
    lifeline.leave()
    outlive_parent()


def _close_connections() -> None:
    """Close those of Gloo, whose threads may otherwise abort the process as it ends; not those of NCCL.

    NCCL would wait for the others, as Gloo does where an exchange is going on: that is not waited for.
    """
    if dist.is_initialized() and not torch.cuda.is_available():
        closing = threading.Thread(target=dist.destroy_process_group, daemon=True)
        closing.start()
        closing.join(_CLOSING)


def _fails_first(store: Any) -> bool:
    """Whether no other rank has failed yet."""
    try:
        return bool(store.add("failed", 1) == 1)
    except RuntimeError:  # the rank that keeps the store has ended
        return False
