"""Jobs in several processes at once: on the cores of a CPU, or on a GPU that a small network leaves idle."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from nsface.errors import NsfaceError
from nsface.processes import end_with_parent

Given = TypeVar("Given")
Result = TypeVar("Result")
Outcome = Callable[[], Result]
_ENDED = 130  # the exit status of a process that has ended because the iteration was closed
_OF_OTHERS = (None, 0, -signal.SIGTERM)  # exit codes of processes that go on, or that were told to end
_SECONDS_TO_TELL = 0.5  # in which the exit code of a process that has ended is known


class WorkerEnded(NsfaceError):
    """A process has ended, or was killed, before its job was done."""


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

    Raises:
        WorkerEnded: a process has ended before its job was done; the others are ended too.
    """
    if processes == 1:
        for name, given in jobs.items():
            yield name, lambda given=given: function(given)  # type: ignore[misc]
        return
    context = multiprocessing.get_context("spawn")  # a process that uses CUDA cannot be forked
    closed = context.RawValue("b", 0)
    pool = ProcessPoolExecutor(processes, context, _begin, (os.getpid(), closed))
    try:
        names: dict[Future[Result], str] = {
            pool.submit(_call, function, given): name for name, given in jobs.items()
        }
        waiting = set(names)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                if isinstance(error := future.exception(), BrokenProcessPool):
                    raise WorkerEnded(_how_ended(_workers(pool))) from error
                yield names[future], future.result
    except BaseException:  # nobody waits for what is being computed
        closed.value = 1
        workers = _workers(pool)
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


def _workers(pool: ProcessPoolExecutor) -> list[BaseProcess]:
    return list((pool._processes or {}).values())


def _how_ended(workers: Sequence[BaseProcess]) -> str:
    """What is known of the process whose end has broken the pool; the others got SIGTERM after that."""
    end = time.monotonic() + _SECONDS_TO_TELL
    while not (codes := [one for worker in workers if (one := worker.exitcode) not in _OF_OTHERS]):
        if time.monotonic() > end:  # a status that another thread has read is there a moment later
            break
        time.sleep(0.01)
    ended = "a process has ended before its work was done"
    if -signal.SIGKILL in codes:
        return f"{ended}: it was killed (SIGKILL), as a system does that is short of memory"
    signals = [signal.Signals(-code).name for code in codes if code is not None and code < 0]
    return f"{ended}, by {signals[0]}" if signals else ended


_closed: Any = None  # in a process of a pool: whether nobody waits for its results any more


def _call(function: Callable[[Given], Result], given: Given) -> Result:
    """Call `function`; where the iteration is closed meanwhile, no other job begins in this process.

    SIGTERM does not always do that: it may come while `function` has a handler for it, and then returns or
    fails for another reason.
    """
    if _closed.value:
        os._exit(_ENDED)
    try:
        return function(given)
    finally:
        if _closed.value:
            os._exit(_ENDED)


def _begin(parent: int, closed: Any) -> None:
    global _closed
    _closed = closed
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    end_with_parent(parent)
