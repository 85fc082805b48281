"""A Python that has imported torch already, in place of `sys.executable`.

Starting Python and importing torch takes seconds; what most tests do in a process of their own takes less.
`WarmPython` imports once and forks a process for every call: a real process, with streams, a folder,
variables, a status and signals of its own. What it does not pass on are the umask, limits, and files other
than the standard ones; a process that is killed by SIGKILL takes the forked one with it. Tests about how a
process starts or ends, and about what it imports, need `sys.executable`.

The forked process does what `python -m MODULE …`, `python FILE …` and `python -c CODE …` do.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import runpy
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn

# What nsface imports only when it is needed, and what takes long. Nothing of nsface.
SLOW = (
    "cv2", "jinja2", "matplotlib.figure", "numpy", "pydantic", "safetensors.torch", "scipy.stats",
    "sklearn.metrics", "torch", "torch._dynamo", "torch.distributed", "torch.utils.data", "tqdm", "yaml",
)  # fmt: skip
_CLIENT = r"""
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    asked = {"arguments": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}
    asked["ignored"] = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is signal.SIG_IGN]
    text = json.dumps(asked).encode()
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    socket.send_fds(server, [b"%12d" % len(text)], [0, 1, 2])
    server.sendall(text)
    answers = server.makefile()
    process = int(answers.readline())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(process, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    status = int(answers.readline())
if status < 0:
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


class WarmPython:
    """Enter it for the path of a program that starts like Python, but without importing what takes long."""

    def __enter__(self) -> str:
        if sys.platform != "linux":  # elsewhere a process that has loaded such libraries must not fork
            self._server = None
            return sys.executable
        self._folder = Path(tempfile.mkdtemp(prefix="warm"))  # a short path: that of a socket has 107 bytes
        client, program, address = (self._folder / name for name in ("client.py", "python", "socket"))
        client.write_text(_CLIENT)
        words = shlex.join([sys.executable, "-IS", str(client), str(address)])
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        program.chmod(0o700)
        self._server = subprocess.Popen(
            [sys.executable, __file__, str(address)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # whose threads begin as NumPy is loaded
        )  # fmt: skip
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == b"ready\n"
        return str(program)

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.communicate()  # it ends when its standard input does
            shutil.rmtree(self._folder)


def serve(address: str) -> NoReturn:
    """Fork a process for everyone who connects, until standard input ends; then end them all."""
    for module in SLOW:
        with contextlib.suppress(ImportError):
            __import__(module)
    assert threading.active_count() == len(os.listdir("/proc/self/task")) == 1, (
        "a process with threads cannot fork"
    )
    waiting: dict[int, tuple[socket.socket, int]] = {}  # the client of each process, and what shows its end
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as events:
        listening.bind(address)
        listening.listen()
        events.register(0, selectors.EVENT_READ)
        events.register(listening, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in events.select():
                if key.fileobj == 0:
                    for process in waiting:
                        os.kill(process, signal.SIGKILL)
                    os._exit(0)
                elif key.fileobj is listening:
                    client, _ = listening.accept()
                    begun = _fork(client, [listening, events, *(one for one, _ in waiting.values())])
                    if begun is None:
                        client.close()
                        continue
                    waiting[begun] = client, os.pidfd_open(begun)
                    for source in waiting[begun]:
                        events.register(source, selectors.EVENT_READ, begun)
                elif key.data in waiting:
                    client, end = waiting[key.data]
                    if key.fileobj is client:  # it has ended: nobody waits for the process any more
                        events.unregister(client)
                        os.kill(key.data, signal.SIGKILL)
                        continue
                    del waiting[key.data]
                    status = os.waitstatus_to_exitcode(os.waitpid(key.data, 0)[1])
                    events.unregister(end)
                    os.close(end)
                    if client in events.get_map():
                        events.unregister(client)
                        with contextlib.suppress(OSError):
                            client.sendall(b"%d\n" % status)
                    client.close()


def _fork(client: socket.socket, others: list[Any]) -> int | None:
    """The number of a new process that does what `client` asks; None where that has gone before it asked."""
    head, files, *_ = socket.recv_fds(client, 12, 3)
    text = client.makefile("rb").read(int(head or 0))
    if len(text) < int(head or 1):
        for file in files:
            os.close(file)
        return None
    if not (process := os.fork()):
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        for other in (client, *others):
            other.close()
        _run(**json.loads(text))
    for file in files:
        os.close(file)
    with contextlib.suppress(OSError):  # it may have been killed meanwhile
        client.sendall(b"%d\n" % process)
    return process


def _run(arguments: list[str], folder: str, environment: dict[str, str], ignored: list[int]) -> NoReturn:
    """Be `python ARGUMENTS…`, and end."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if count := environment.get("OMP_NUM_THREADS"):  # which PyTorch has read before
        sys.modules["torch"].set_num_threads(int(count))
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        signal.signal(number, signal.SIG_IGN if number in ignored else usual)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    status, end_by = 1, 0
    try:
        _call(*arguments)
        status = 0
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            status = end.code or 0
        else:
            print(end.code, file=sys.stderr)
    except BaseException as error:
        traceback.print_exc()
        end_by = signal.SIGINT if isinstance(error, KeyboardInterrupt) else 0
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does before exit handlers
            atexit._run_exitfuncs()
            sys.stdout.flush()
        if end_by:
            signal.signal(end_by, signal.SIG_DFL)
            os.kill(os.getpid(), end_by)
        os._exit(status)


def _call(kind: str, *arguments: str) -> None:
    if kind == "-m":
        sys.argv, sys.path[0] = ["-m", *arguments[1:]], os.getcwd()
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv, sys.path[0] = ["-c", *arguments[1:]], ""
        exec(compile(arguments[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv, sys.path[0] = [kind, *arguments], str(Path(kind).parent)
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    sys.path[0] = ""  # not the folder of this file, in which are folders named like libraries
    serve(sys.argv[1])
