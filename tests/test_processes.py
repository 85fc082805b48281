"""Processes end with the one that started them, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

CHILD = (
    "import sys, time; from nsface.processes import end_with_parent; end_with_parent({parent}); "
    "print('begun', flush=True); time.sleep(60)"
)


def test_a_process_ends_when_its_parent_is_killed() -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD.format(parent='')!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "begun\n"
        parent.kill()
        start = time.monotonic()
        assert parent.stdout.read() == ""  # until the child, which has it too, has ended
        assert time.monotonic() - start < 30


def test_a_process_ends_whose_parent_has_ended_before() -> None:
    code = CHILD.format(parent="2**22 + 1")  # a number that no process has
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30)
    assert ended.returncode == -signal.SIGTERM
