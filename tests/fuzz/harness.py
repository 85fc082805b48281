"""Run damaged inputs through a reader, in a process whose crash, time and memory are watched.

The input of a run depends on the parser, the seed and the number of the run alone, so that any can be made
again. A worker does thousands of runs; one that dies is replaced, and its last run is the finding.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from ctypes import c_double, c_int64
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any

from tests.fuzz.mutations import Files, mutated
from tests.fuzz.parsers import PARSERS

SECONDS = 5.0  # that a run may take
GROWTH = 300 << 20  # bytes by which it may raise the most memory that the process has had
_ADDRESSES = 4 << 30  # bytes of addresses beyond those the worker begins with
_UNIT = 1 if sys.platform == "darwin" else 1024
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Finding:
    """A run that ended otherwise than it may.

    Attributes:
        kind: `exception`, `crash`, `time` or `memory`.
        what: the exception, the signal, the seconds or the bytes.
        where: the innermost lines of nsface, for an exception.
    """

    parser: str
    run: int
    kind: str
    what: str
    where: str = ""

    @property
    def group(self) -> tuple[str, str, str]:
        """The same for findings that are probably one fault."""
        return self.parser, self.kind, self.where or (self.what if self.kind == "crash" else "")


def make_inputs(names: Sequence[str]) -> dict[str, list[Files]]:
    """The sound inputs of parsers, made in a process of its own: this one must have no threads to fork."""
    ours, theirs = _FORK.Pipe(duplex=False)

    def make() -> None:
        _quiet()
        for name in names:
            theirs.send((name, list(PARSERS[name].inputs())))

    process = _FORK.Process(target=make)
    process.start()
    theirs.close()
    made = dict(ours.recv() for _ in names)
    process.join()
    return made


def damaged(name: str, inputs: Sequence[Files], seed: int, run: int) -> Files:
    """The input of a run."""
    chance = random.Random(f"{name} {seed} {run}")
    return PARSERS[name].finish(mutated(chance, chance.choice(inputs)))


def write(files: Files, folder: Path) -> None:
    for name, data in files.items():
        path = folder / name
        if path.parent != folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@dataclass
class _Worker:
    """A process that does the runs `first` to `last` of a parser, and where it is."""

    name: str
    inputs: list[Files]
    seed: int
    first: int
    last: int
    run: Any = field(default_factory=lambda: RawValue(c_int64, -1))
    began: Any = field(default_factory=lambda: RawValue(c_double, 0.0))

    def start(self) -> None:
        self.pipe, theirs = _FORK.Pipe(duplex=False)
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.run.value = -1
        self.process = _FORK.Process(target=_work, args=(self, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def poll(self) -> Iterator[Finding]:
        """What has happened since; where the process has died, another goes on behind that run."""
        try:
            while self.pipe.poll():
                yield self.pipe.recv()
        except EOFError:
            yield from self._ended()
            return
        if self.run.value >= 0 and time.monotonic() - self.began.value > SECONDS + 1:
            self.process.kill()
            self.process.join()
            yield Finding(self.name, self.run.value, "time", f"more than {SECONDS:g} s")
            self._go_on()

    def _ended(self) -> Iterator[Finding]:
        self.process.join()
        code = self.process.exitcode or 0
        if code and self.run.value < 0:  # before the first run: another process would fare no better
            yield Finding(self.name, self.first, "crash", f"status {code} on a sound input")
            self.first = self.last + 1
        elif code < 0:
            yield Finding(self.name, self.run.value, "crash", signal.Signals(-code).name)
        self._go_on()

    def _go_on(self) -> None:
        self.end()
        self.first = max(self.run.value + 1, self.first)
        if self.running:
            self.start()

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def running(self) -> bool:
        return self.first <= self.last


def _work(worker: _Worker, pipe: Connection) -> None:
    _quiet()
    resource.setrlimit(resource.RLIMIT_AS, (_addresses() + _ADDRESSES, resource.RLIM_INFINITY))
    folder = worker.folder
    _load_libraries(worker, folder)
    memory = _most_memory()
    for run in range(worker.first, worker.last + 1):
        files = damaged(worker.name, worker.inputs, worker.seed, run)
        write(files, folder)
        worker.began.value = time.monotonic()
        worker.run.value = run
        for finding in attempt(worker.name, run, folder):
            pipe.send(finding)
        for name in files:
            (folder / name).unlink(missing_ok=True)
        grown, memory = _most_memory() - memory, _most_memory()
        if grown > GROWTH:
            pipe.send(Finding(worker.name, run, "memory", f"{grown >> 20} MiB"))
            return  # a process that has had so much shows no growth of the next
    worker.run.value = worker.last


def _load_libraries(worker: _Worker, folder: Path) -> None:
    """Read sound inputs first: what the reader imports is not the time and memory of a run."""
    for files in worker.inputs:
        sound = PARSERS[worker.name].finish(files)
        write(sound, folder)
        list(attempt(worker.name, -1, folder))
        for name in sound:
            (folder / name).unlink(missing_ok=True)


def attempt(name: str, run: int, folder: Path) -> Iterator[Finding]:
    """Read what is in `folder`; yield what a user would have to report."""
    from nsface.errors import NsfaceError

    start = time.monotonic()
    try:
        PARSERS[name].read(folder)
    except NsfaceError:
        pass
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "/tests/fuzz/" not in f.filename]
        own = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if "site-packages" not in f.filename]
        yield Finding(
            name, run, "exception", f"{type(error).__name__}: {error}"[:300], " < ".join(own[::-1][:3])
        )
    if (took := time.monotonic() - start) > SECONDS:
        yield Finding(name, run, "time", f"{took:.1f} s")


def _quiet() -> None:
    """Libraries write what they think of an input straight to standard error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


def _addresses() -> int:
    """Bytes of addresses that this process has; more than it uses by far."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 64 << 30


def fuzz(names: Sequence[str], runs: int, seed: int, processes: int = 1, first: int = 0) -> Iterator[Finding]:
    """Damage inputs `runs` times for each parser, and yield what went wrong, as it does."""
    inputs = make_inputs(names)
    waiting = [_Worker(name, inputs[name], seed, first, first + runs - 1) for name in reversed(names)]
    working: list[_Worker] = []
    try:
        while waiting or working:
            while waiting and len(working) < processes:
                working.append(waiting.pop())
                working[-1].start()
            wait([worker.pipe for worker in working], timeout=0.5)
            for worker in working:
                yield from worker.poll()
            working = [worker for worker in working if worker.running]
    finally:
        for worker in working:
            worker.end()
