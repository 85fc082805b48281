"""A process of the warm Python is to those who start it as one of Python itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAMS = {
    "what it is given": "print(os.getcwd(), os.environ['GIVEN'], sys.argv, __name__, sys.stdin.read())",
    "messages": "print('result'); print('said', file=sys.stderr)",
    "status": "sys.exit(7)",
    "a word for status": "sys.exit('refused')",
    "exit handlers": "import atexit; atexit.register(print, 'put away'); sys.exit(2)",
    "an error": "def f(): 1 / 0\nf()",
    "threads": "import threading\nthreading.Timer(0.1, print, ['late']).start()",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "no import of nsface": "print(any(name.partition('.')[0] == 'nsface' for name in sys.modules))",
    "threads of PyTorch": "import torch; print(torch.get_num_threads())",
    "signals": "print([signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)])",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_does_as_python_does(warm_python: str, tmp_path: Path, name: str) -> None:
    found = []
    for python in (sys.executable, warm_python):
        command = [python, "-c", f"import os, signal, sys\n{PROGRAMS[name]}", "one", "two words"]
        given = os.environ | {"GIVEN": "größe", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=tmp_path, env=given, input="in", capture_output=True, text=True)
        found.append((done.returncode, done.stdout, done.stderr.splitlines()[-1:]))
    assert found[0] == found[1]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is Python itself")
@pytest.mark.parametrize("said", [b"", b"           9", b"          99half"])
def test_who_goes_before_it_has_asked_does_no_harm(warm_python: str, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(Path(warm_python).parent / "socket"))
        client.sendall(said)
    assert subprocess.run([warm_python, "-c", "print(5)"], stdout=subprocess.PIPE).stdout == b"5\n"


def test_modules_and_files(warm_python: str, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("value = 5")
    (tmp_path / "file.py").write_text("import sys, beside\nprint(__name__, sys.argv, beside.value)")
    for words in (["file.py", "a"], ["-m", "file", "a"], ["-m", "nsface", "--version"], ["-m", "nsface"]):
        done = [
            subprocess.run([python, *words], cwd=tmp_path, capture_output=True, text=True)
            for python in (sys.executable, warm_python)
        ]
        assert done[0].stdout == done[1].stdout
        assert done[0].stderr == done[1].stderr
        assert done[0].returncode == done[1].returncode


WAITING = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is Python itself")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_reach_it(warm_python: str, number: int) -> None:
    with subprocess.Popen(
        [warm_python, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # where the tests run in the background of a shell, what they start would not hear of Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        inner = int(process.stdout.readline())
        assert inner != process.pid
        process.send_signal(number)
        process.communicate()
        assert process.returncode == -number
    while Path(f"/proc/{inner}").exists():  # killed a moment later
        time.sleep(0.01)
