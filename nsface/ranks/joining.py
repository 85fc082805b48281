"""How the processes that a launcher has started find each other, and how they part."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from nsface.private_torch import meet_ranks
from nsface.processes import end_with_parent, started_by_torchrun
from nsface.ranks.group import ALONE, Ranks

# Ranks wait so long for one another, since one of them may have millions of images to decode for all.
TIMEOUT = timedelta(hours=6)


@contextmanager
def joined() -> Iterator[Ranks]:
    """The ranks that torchrun has started, connected within this context; `ALONE` without torchrun.

    Only the rank that fails first raises its error. Ranks that fail after it end silently, since they have
    failed either for the same reason or because that rank has left them.
    """
    if not started_by_torchrun():
        yield ALONE
        return
    end_with_parent()  # torchrun, when it is killed, leaves its ranks running or waiting
    store, rank, count = meet_ranks()
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=TIMEOUT)
    try:
        yield Ranks(rank, count, int(os.environ["LOCAL_RANK"]))
    except BaseException as error:
        if _fails_first(store):
            if not torch.cuda.is_available():  # NCCL would wait for the others
                dist.destroy_process_group()  # else Gloo's threads may abort the process as it ends
            raise
        # torchrun ends all ranks as soon as one has ended: the first to fail must have time to say why
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1)
        raise SystemExit(1) from error
    dist.destroy_process_group()


def _fails_first(store: Any) -> bool:
    """Whether no other rank has failed yet."""
    try:
        return bool(store.add("failed", 1) == 1)
    except RuntimeError:  # the rank that keeps the store has ended
        return False
