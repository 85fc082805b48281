"""Jobs in several processes at once: on the cores of a CPU, or on a GPU that a small network leaves idle."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from typing import TypeVar

from nsface.processes import end_with_parent

Given = TypeVar("Given")
Result = TypeVar("Result")
Outcome = Callable[[], Result]


def at_once(
    function: Callable[[Given], Result], jobs: Mapping[str, Given], processes: int, patience: float = 0.0
) -> Generator[tuple[str, Outcome[Result]], None, None]:
    """Call `function` with what each of `jobs` gives, in their order, so many at a time.

    With one process, everything is done in this one. Otherwise `function` must be importable by its name, and
    the processes are ended when the iteration ends or is closed before that.

    Args:
        patience: seconds that processes have to end by themselves after SIGTERM, before they are killed.

    Yields:
        The name of each job that has ended, and what returns its result or raises its error.
    """
    if processes == 1:
        for name, given in jobs.items():
            yield name, lambda given=given: function(given)  # type: ignore[misc]
        return
    context = multiprocessing.get_context("spawn")  # a process that uses CUDA cannot be forked
    pool = ProcessPoolExecutor(processes, context, partial(_begin, os.getpid()))
    try:
        names: dict[Future[Result], str] = {
            pool.submit(function, given): name for name, given in jobs.items()
        }
        waiting = set(names)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield names[future], future.result
    except BaseException:  # nobody waits for what is being computed
        workers = list((pool._processes or {}).values())
        end = time.monotonic() + patience
        for worker in workers:
            if patience:
                worker.terminate()
        for worker in workers:
            worker.join(max(0.0, end - time.monotonic()))
            worker.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    end_with_parent(parent)
