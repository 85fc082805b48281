"""Jobs in several processes at once, which one GPU serves by turns: a small network leaves it idle mostly."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from typing import TypeVar

from nsface.processes import end_with_parent

Given = TypeVar("Given")
Result = TypeVar("Result")
Outcome = Callable[[], Result]


def at_once(
    function: Callable[[Given], Result], jobs: Mapping[str, Given], processes: int
) -> Generator[tuple[str, Outcome[Result]], None, None]:
    """Call `function` with what each of `jobs` gives, in their order, so many at a time.

    With one process, everything is done in this one. Otherwise `function` must be importable by its name, and
    the processes are ended when the iteration ends or is closed.

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
    except BaseException:  # the time is over: nobody waits for what is being computed
        for worker in list((pool._processes or {}).values()):
            worker.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    end_with_parent(parent)
