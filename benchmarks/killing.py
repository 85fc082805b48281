"""Commands of nsface in processes of their own that can be killed, and what they leave behind.

Processes are forked from one that has loaded everything, so that many can be started.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import torch

import nsface.cli
import nsface.cli.synth
import nsface.cli.train
import nsface.training.run  # what is loaded here is not loaded by each process

torch.optim.SGD([torch.zeros(1, requires_grad=True)])  # which loads the compiler, used or not

LONGEST = 300.0  # seconds in which a command must have ended
SURVIVING = 15.0  # seconds after the death of a rank in which others end by themselves, if they had met it
SHARED_MEMORY = Path("/dev/shm")
SECONDS_TO_VANISH = 10.0  # from shared memory, for what others make


class Command:
    """One command of nsface, in one process or in several ranks, each a session of its own.

    It is a context manager: on leaving, what still runs is killed.

    Args:
        arguments: as a shell gives them.
        ranks: the number of processes, started as torchrun starts them.

    Attributes:
        processes: their numbers, by rank.
    """

    def __init__(self, arguments: Sequence[str], ranks: int = 1) -> None:
        self._messages = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed on leaving
        port = _free_port()
        self.processes = [self._forked(arguments, rank, ranks, port) for rank in range(ranks)]
        self._ends: dict[int, int] = {}

    def _forked(self, arguments: Sequence[str], rank: int, ranks: int, port: int) -> int:
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            os.setsid()
            for standard in (1, 2):
                os.dup2(self._messages.fileno(), standard)
            if ranks > 1:
                place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "MASTER_PORT": port}
                os.environ |= {name: str(value) for name, value in place.items()}
                os.environ["MASTER_ADDR"] = "127.0.0.1"
            sys.argv = ["nsface", *arguments]
            nsface.cli.main()
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def running(self) -> list[int]:
        """The processes that have not ended."""
        for process in self.processes:
            if process not in self._ends:
                ended, status = os.waitpid(process, os.WNOHANG)
                if ended:
                    self._ends[process] = os.waitstatus_to_exitcode(status)
        return [process for process in self.processes if process not in self._ends]

    def until(self, reached: Callable[[], bool]) -> float:
        """Return when `reached` says so, or a process has ended; the seconds that it took."""
        begun = time.monotonic()
        while not reached() and self.running() == self.processes and time.monotonic() - begun < LONGEST:
            time.sleep(0.0005)
        return time.monotonic() - begun

    def kill(self, ranks: Collection[int]) -> bool:
        """Kill these ranks, and return when all have ended; false if they had ended by then.

        Ranks that still wait for the dead one to come are stopped as their launcher would stop them.
        """
        running = self.running()
        victims = [self.processes[rank] for rank in ranks if self.processes[rank] in running]
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        self._wait(SURVIVING)
        for waiting in self.running():
            os.kill(waiting, signal.SIGTERM)
        self._wait(SURVIVING)
        return any(self._ends.get(victim) == -signal.SIGKILL for victim in victims)

    def hung(self) -> list[str]:
        """A line for each process that has not ended."""
        return [f"process {process} does not end" for process in self.running()]

    def end(self) -> list[str]:
        """Return when all processes have ended; a line for each that has not ended well."""
        self._wait(LONGEST)
        faults = self.hung()
        statuses = {status for status in self._ends.values() if status}
        if statuses:
            self._messages.seek(0)
            last = self._messages.read().strip().split("\n")[-1]
            faults.append(f"ended with {', '.join(map(str, sorted(statuses)))}: {last}")
        return faults

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.005)

    def __enter__(self) -> Command:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.running():
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        self._messages.close()


def left_running(sessions: Collection[int], seconds: float) -> list[str]:
    """The processes of these `sessions` that are still there after at most so many `seconds`, by name."""
    deadline = time.monotonic() + seconds
    while (found := list(_of_sessions(sessions))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _of_sessions(sessions: Collection[int]) -> Iterator[str]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            name, fields = (folder / "stat").read_text().rsplit(")", 1)
            if int(fields.split()[3]) in sessions and fields.split()[0] != "Z":
                yield f"{name})"


def left_in_shared_memory(before: Collection[str]) -> list[str]:
    """What is in shared memory that was not there `before`, and that no process uses.

    What others on the machine make may stand there unused for a moment, as their processes begin and end, and
    does not stay.
    """
    left = shared_memory() - set(before)
    deadline = time.monotonic() + SECONDS_TO_VANISH
    while left := (left & shared_memory()) - _used_shared_memory():
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return sorted(left)


def _used_shared_memory() -> set[str]:
    paths: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            paths += [line.split()[-1] for line in (folder / "maps").read_text().splitlines() if "/" in line]
            for link in (folder / "fd").iterdir():
                with suppress(OSError):  # a file that is closed meanwhile
                    paths.append(os.readlink(link))
    return {Path(path).name for path in paths if Path(path).parent == SHARED_MEMORY}


def shared_memory() -> set[str]:
    """The names of all that is in shared memory."""
    return {path.name for path in SHARED_MEMORY.iterdir()}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
