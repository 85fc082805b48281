"""A rank that ends or hangs ends all, and one line says which. Real processes, without torch."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from nsface import lifeline, meeting
from nsface.errors import NsfaceError
from nsface.lifeline import Lifeline, step_limit
from nsface.meeting import Peer, meet

COUNT, ALL = 3, 9
ENDED = "has ended, killed or out of memory; go on\n"


class Folder:
    """A store as `meet` needs it, in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def set(self, key: str, value: str) -> None:
        file = self._path / key.replace("/", "-")
        file.with_suffix(".new").write_text(value)
        file.with_suffix(".new").rename(file)

    def get(self, key: str) -> bytes:
        file = self._path / key.replace("/", "-")
        while not file.exists():
            time.sleep(0.01)
        return file.read_bytes()


def killed(line: Lifeline, which: int) -> None:
    if line.rank == which:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # as in a call that waits for the others and cannot be interrupted


def stopped(line: Lifeline, which: int) -> None:
    if line.rank == which:
        os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(60)


def stuck(line: Lifeline, which: int) -> None:
    for step in range(7 if which in (line.rank, ALL) else 8):
        line.done(step)
        time.sleep(0.05)
    time.sleep(60)


def failed(line: Lifeline, which: int) -> None:
    if line.rank == which:
        line.fail()
        time.sleep(0.5)  # in which it says why
        sys.exit(7)
    assert line.known(10)
    line.follow()
    sys.exit(1)


def finished(line: Lifeline, which: int) -> None:
    for step in range(3):
        line.done(step)
    line.done(None)
    if line.rank == which:
        time.sleep(11)  # longer than a step may take: but no step follows
    line.leave()
    print(time.time())


def scenario(path: Path, name: str, which: int) -> None:
    """Run `name` on all ranks, and print how each ended, with what it said, and when the first had ended."""
    lifeline.BEAT, lifeline.PATIENCE = 0.2, 0.5 if name != "finished" else 5
    children = []
    for rank in range(COUNT):
        if not (child := os.fork()):
            for stream in (1, 2):
                os.dup2(os.open(path / f"{stream}-{rank}", os.O_CREAT | os.O_WRONLY), stream)
            peers, _ = meet(Folder(path), rank, COUNT, "127.0.0.1")
            globals()[name](Lifeline(rank, COUNT, peers, rank == 1, "go on", 10.0), which)
            sys.exit(0)
        children.append(child)
    statuses: dict[int, int] = {}
    while len(statuses) < COUNT:
        child, status = os.wait()
        statuses[children.index(child)] = os.waitstatus_to_exitcode(status)
        if name == "stopped" and len(statuses) == COUNT - 1:
            os.kill(children[which], signal.SIGCONT)
    said = [[(path / f"{stream}-{rank}").read_text() for rank in range(COUNT)] for stream in (1, 2)]
    print(json.dumps([[statuses[rank] for rank in range(COUNT)], *said]))


Run = Callable[[str, int], tuple[list[int], list[str], list[str]]]
SCENARIOS = [
    *((name, which) for name in ("killed", "stopped", "failed") for which in (0, 2)),
    *(("stuck", which) for which in (0, 1, ALL)),
    ("finished", 1),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """`run(name, which)`: the statuses of the ranks, and what each wrote on standard output and error.

    All scenarios run at the same time, as their ranks do little but wait.
    """
    with ExitStack() as stack:
        started = {}
        for name, which in SCENARIOS:
            words = [sys.executable, __file__, str(tmp_path_factory.mktemp(name)), name, str(which)]
            process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
            started[name, which] = stack.enter_context(process)
            stack.callback(end_all, process.pid)

        def ended(name: str, which: int) -> tuple[list[int], list[str], list[str]]:
            out, _ = started[name, which].communicate(timeout=50)
            statuses, said, messages = json.loads(out)
            return statuses, said, messages

        yield ended


def end_all(session: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


@pytest.mark.parametrize("which", [0, 2])
def test_a_killed_rank_ends_all(run: Run, which: int) -> None:
    statuses, _, said = run("killed", which)
    assert statuses == [-signal.SIGKILL if rank == which else 1 for rank in range(COUNT)]
    speaker = 0 if which else 1
    assert said == [f"nsface: rank {which} of 3 {ENDED}" if rank == speaker else "" for rank in range(COUNT)]


@pytest.mark.parametrize("which", [0, 2])
def test_a_stopped_rank_ends_all(run: Run, which: int) -> None:
    statuses, _, said = run("stopped", which)
    assert statuses == [1, 1, 1], "also the stopped one, as soon as it goes on"
    line = f"nsface: rank {which} of 3 has given no sign of life for 5 s; go on\n"
    speaker = 0 if which else 1
    assert said[speaker] == line
    assert said[3 - which - speaker] == ""


@pytest.mark.parametrize(
    ("which", "what"),
    [
        (0, "rank 0 of 3 has done no step after step 6 in 10 s, and the others wait for it"),
        (1, "rank 1 of 3 has done no step after step 6 in 10 s, and the others wait for it"),
        (ALL, "no rank has done a step after step 6 in 10 s"),
    ],
)
def test_a_rank_that_takes_no_step_ends_all(run: Run, which: int, what: str) -> None:
    statuses, _, said = run("stuck", which)
    assert statuses == [1, 1, 1]
    assert said == [f"nsface: {what}; go on\n", "", ""]


@pytest.mark.parametrize("which", [0, 2])
def test_a_rank_that_fails_has_time_to_say_why(run: Run, which: int) -> None:
    statuses, _, said = run("failed", which)
    assert statuses == [7 if rank == which else 1 for rank in range(COUNT)]
    assert said == ["", "", ""]


def test_ranks_part_together(run: Run) -> None:
    statuses, out, said = run("finished", 1)
    assert statuses == [0, 0, 0]
    assert said == ["", "", ""]
    times = [float(time_left) for time_left in out]
    assert max(times) - min(times) < 4, "no rank leaves before the last is ready to"


def test_signs_of_life_are_not_answered() -> None:
    near, far = socket.socketpair()
    with near, far:
        line = Lifeline(0, 2, {1: Peer(near)}, True, "go on", 1800)
        for _ in range(50):
            far.sendall(b"-\n")
            time.sleep(0.01)
        assert far.recv(4096).count(b"\n") <= 2, "one a second"
        far.sendall(b"end\n")
        line.leave()


def test_a_rank_that_does_not_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "SECONDS_TO_MEET", 0.3)
    with pytest.raises(NsfaceError, match=r"rank 1, 2 of 3 has not come within 0\.3 s; start all ranks"):
        meet(Folder(tmp_path), 0, 3, "127.0.0.1")
    # the store still has the address of the first rank, which has gone
    with pytest.raises(NsfaceError, match=r"rank 1 cannot reach the first rank at 127\.0\.0\.1, port \d+: "):
        meet(Folder(tmp_path), 1, 3, "127.0.0.1")


def test_strangers_are_not_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "SECONDS_TO_MEET", 30)
    # a rank of a former attempt, with its name of the meeting, finds the port of this one
    code = (
        "import sys, socket; from pathlib import Path; from tests.test_lifeline import Folder\n"
        "port, name = Folder(Path(sys.argv[1])).get('nsface/meeting').decode().split()\n"
        "for said in (b'former 1', f'{name} 5'.encode(), b'\\xff' * 99, b'\\xff 1', name.encode()):\n"
        "    with socket.create_connection(('127.0.0.1', int(port))) as stranger:\n"
        "        stranger.sendall(said + b'\\n')\n"
        "        assert stranger.recv(9) == b'', said\n"
        "with socket.create_connection(('127.0.0.1', int(port))) as rank:\n"
        "    rank.sendall(f'{name} 1\\n'.encode()); assert rank.recv(9) == b'welcome\\n'\n"
    )
    root = Path(__file__).resolve().parents[1]
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=root) as process:
        peers, _ = meet(Folder(tmp_path), 0, 2, "127.0.0.1")
    assert process.returncode == 0
    assert list(peers) == [1]
    peers[1].close()


def test_the_limit_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NSFACE_RANK_TIMEOUT", raising=False)
    assert step_limit() == 1800
    monkeypatch.setenv("NSFACE_RANK_TIMEOUT", "90.5")
    assert step_limit() == 90.5
    for wrong in ("0", "-1", "nan", "ten"):
        monkeypatch.setenv("NSFACE_RANK_TIMEOUT", wrong)
        with pytest.raises(NsfaceError, match=f"NSFACE_RANK_TIMEOUT: '{wrong}' is no number of seconds"):
            step_limit()


if __name__ == "__main__":
    scenario(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
