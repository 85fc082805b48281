"""SIGTERM and Ctrl-C end a command at once: in Python, in libraries, with processes and threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# nsface with a command `work` that says when it has begun
PROGRAM = """
import sys
import click
from nsface import cli

@click.command()
def work():
    {prepare}
    print("begun", flush=True)
    {work}

cli.COMMANDS["work"] = "Work."
import types
sys.modules["nsface.cli.work"] = types.SimpleNamespace(command=work)
sys.argv = ["nsface", "work"]
cli.main()
"""
WORK = {
    "Python": ("pass", "while True: pass"),
    "sleep": ("import time", "time.sleep(60)"),
    "C without the interpreter": ("import hashlib", "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 300_000_000)"),
    "NumPy": (
        "import numpy as np; a = np.random.default_rng(0).random((4000, 4000))",
        "np.linalg.svd(a)",
    ),
    "swallowed": (
        "pass",
        "while True:\n        try:\n            while True: pass\n        except BaseException: pass",
    ),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor; import time; pool = ThreadPoolExecutor(4)",
        "[pool.submit(time.sleep, 30) for _ in range(20)]; time.sleep(60)",
    ),
    "queue of a pool": ("import queue", "queue.Queue().get()"),
    "slow to take apart": (  # as a process with torch is
        "import time; kept = type('Slow', (), {'__del__': lambda self: time.sleep(9)})(); sys.kept = kept",
        "time.sleep(60)",
    ),
}
SECONDS = 1.0
BUSY = 1.0  # more, on a machine that has other work


def interrupted(process: subprocess.Popen[str], number: int) -> tuple[float, str]:
    process.send_signal(number)
    start = time.monotonic()
    _, error = process.communicate(timeout=30)
    return time.monotonic() - start, error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", WORK)
def test_a_command_ends_within_a_second(kind: str, number: int) -> None:
    prepare, work = WORK[kind]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(prepare=prepare, work=work)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.1)
    took, error = interrupted(process, number)
    assert process.returncode == 130
    assert error == "nsface: interrupted\n"
    assert took < SECONDS + BUSY


def test_exit_handlers_run_and_what_was_printed_arrives() -> None:
    prepare = "import atexit, os; atexit.register(lambda: print('put away'))"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(prepare=prepare, work="while True: pass")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGTERM)
    output, error = process.communicate(timeout=30)
    assert (process.returncode, output, error) == (130, "put away\n", "nsface: interrupted\n")


@pytest.mark.parametrize(
    ("work", "status", "error"), [("while True: pass", 130, "nsface: interrupted\n"), ("pass", 0, "")]
)
def test_keys_that_are_held_down_make_no_traceback(work: str, status: int, error: str) -> None:
    """Signals go on to come while the process ends, in exit handlers too."""
    again = "[os.kill(os.getpid(), signal.SIGINT) or time.sleep(0.01) for _ in range(10)]"
    prepare = f"import atexit, os, signal, time; atexit.register(lambda: {again})"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(prepare=prepare, work=work)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    if status:
        process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=30)[1], process.returncode) == (error, status)


@pytest.mark.parametrize(
    ("before", "program", "expected"),
    [
        (  # at once, without a traceback
            "signal.signal(signal.SIGINT, signal.default_int_handler)",
            "nsface.__main__",
            -signal.SIGINT,
        ),
        ("signal.signal(signal.SIGINT, signal.SIG_IGN)", "nsface.__main__", 7),  # as a shell's & has it
        ("signal.signal(signal.SIGINT, lambda *_: None)", "nsface.__main__", 7),
        ("signal.signal(signal.SIGINT, lambda *_: None)", "nsface.cli", 7),
    ],
)
def test_interrupted_before_the_command_line_is_there(before: str, program: str, expected: int) -> None:
    code = f"import signal, sys\n{before}\nimport {program}\nsignal.raise_signal(signal.SIGINT)\nsys.exit(7)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (expected, "")


def rendering(out: Path) -> subprocess.Popen[str]:
    """`nsface synth` with two processes, when it has begun to write."""
    options = ("--identities", "5000", "--lfw-pairs", "0", "--ytf-pairs", "0", "--workers", "2")
    process = subprocess.Popen(
        [sys.executable, "-m", "nsface", "synth", str(out), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not list(out.parent.glob(f".{out.name}.*/train/*/*.jpg")):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    return process


def running(group: int) -> list[str]:
    """The processes of a session that are still there."""
    found = subprocess.run(["ps", "-eo", "sid,stat,args"], capture_output=True, text=True, check=True).stdout
    lines = (line.split(None, 2) for line in found.splitlines()[1:])
    return [words[2] for words in lines if words[0] == str(group) and not words[1].startswith("Z")]


def gone_soon(group: int) -> None:
    """Workers, and multiprocessing's tracker, end by themselves when they see that their parent has."""
    until = time.monotonic() + 10
    while left := running(group):
        assert time.monotonic() < until, left
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_rendering_leaves_nothing(number: int, tmp_path: Path) -> None:
    process = rendering(tmp_path / "faces")
    took, error = interrupted(process, number)
    assert (process.returncode, error) == (130, "nsface: interrupted\n")
    assert took < SECONDS + BUSY
    assert list(tmp_path.iterdir()) == []
    gone_soon(process.pid)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="ps -o sid is Linux's")
def test_workers_end_with_a_killed_command(tmp_path: Path) -> None:
    process = rendering(tmp_path / "faces")
    assert len(running(process.pid)) > 2
    process.kill()
    process.communicate(timeout=30)
    gone_soon(process.pid)


def test_handlers_are_put_back() -> None:
    """A program that calls `main` keeps its own handlers, and its life."""
    code = (
        "import signal, os, time\n"
        "from nsface.cli import main\n"
        "mine = lambda *_: print('mine', flush=True)\n"
        "signal.signal(signal.SIGTERM, mine)\n"
        "for _ in range(3):\n"
        "    try: main(['--version'])\n"
        "    except SystemExit: pass\n"
        "assert signal.getsignal(signal.SIGTERM) is mine\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(1.5)\n"
        "print('alive')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, timeout=60
    )
    assert done.stdout.splitlines()[-2:] == ["mine", "alive"]


def test_a_signal_to_a_forked_process_is_not_ours() -> None:
    prepare = "import os, signal, time"
    work = (
        "child = os.fork()\n"
        "    if not child: time.sleep(30)\n"
        "    time.sleep(0.2); os.kill(child, signal.SIGTERM); os.waitpid(child, 0)\n"
        "    time.sleep(1.5); print('alive', flush=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(prepare=prepare, work=work)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.endswith("alive\n")
