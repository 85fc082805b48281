"""Readers of what others wrote: a value, or one DataError."""

from __future__ import annotations

import ctypes
import io
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.errors import DataError, shown
from nsface.untrusted import isolated, parse_json, read_array_header


@pytest.mark.parametrize(
    "text", ["[" * 200_000, b'{"caf\xff": 2}', "9" * 5000, "{", "", b"\xff\xfe{\x00}\x00"], ids=range(6)
)
def test_json_that_cannot_be_read_is_one_error(text: str | bytes) -> None:
    with pytest.raises(DataError, match=r"^log\.jsonl:3: ") as error:
        parse_json(text, "log.jsonl:3")
    assert "\n" not in str(error.value)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_text_is_a_value_or_one_error(text: str | bytes) -> None:
    with suppress(DataError):
        parse_json(text, "here")


@given(st.sampled_from(["<f4", ">f8", "<u1", "<U7"]), st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_array_header(dtype: str, shape: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(shape, dtype))
    data = buffer.getvalue()
    header = read_array_header(io.BytesIO(data), len(data), "a.npy")
    assert (header.shape, header.dtype) == (shape, np.dtype(dtype))
    assert header.offset + np.zeros(shape, dtype).nbytes == len(data)
    if np.zeros(shape, dtype).nbytes:
        with pytest.raises(DataError, match="damaged or cut short"):
            read_array_header(io.BytesIO(data), len(data) - 1, "a.npy")


def test_array_of_objects_is_refused() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="Python objects"):
        read_array_header(io.BytesIO(buffer.getvalue()), len(buffer.getvalue()), "a.npy")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_header_or_one_error(data: bytes) -> None:
    for prefix in (b"", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\x76\x00{'descr': "):
        with pytest.raises(DataError):
            read_array_header(io.BytesIO(prefix + data), len(prefix + data), "a.npy")


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': ((3,), }",
        '{\'descr\': """<f4',
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3L\n(",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (10000000000,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
        "(" * 150,
    ],
)
def test_damaged_headers(text: str) -> None:
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(64)
    with pytest.raises(DataError, match=r"^a\.npy: "):
        read_array_header(io.BytesIO(header), len(header), "a.npy")


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [(ctypes.string_at, (0,), "SIGSEGV"), (os.abort, (), "SIGABRT"), (os._exit, (3,), "status 3")],
)
def test_death_of_an_isolated_reader_is_an_error(
    function: Callable[..., object], arguments: tuple[int, ...], said: str
) -> None:
    with pytest.raises(DataError, match=f"^b.mat: damaged: .*{said}"):
        isolated(function, *arguments, where="b.mat")


def test_isolated_reader_returns_and_raises_as_the_function_does(capfd: pytest.CaptureFixture[str]) -> None:
    assert isolated(math.factorial, 5, where="b.mat") == 120
    assert isolated(print, "text", where="b.mat") is None
    with pytest.raises(DataError, match=r"^b\.mat: not the JSON that nsface reads"):
        isolated(parse_json, "{", "b.mat", where="b.mat")
    assert capfd.readouterr() == ("", "")


def test_isolated_reader_does_not_run_the_script_that_calls_it_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import math\nfrom nsface.untrusted import isolated\nprint(isolated(math.factorial, 5, where='x'))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "120\n", "")


def test_isolated_reader_ends_with_the_process_that_asked_for_it(tmp_path: Path) -> None:
    script = (
        "import os, time\nfrom nsface.untrusted import isolated\n"
        f"isolated(os.system, 'echo $PPID > {tmp_path}/pid; sleep 30', where='x')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        started = tmp_path / "pid"
        wait_for(lambda: started.exists() and started.read_text().endswith("\n"))
        process.kill()
    wait_for(lambda: not is_alive(int(started.read_text())))


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")  # where there is none to wait for it, a dead one stays
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.parametrize("text", ["p\x1b[31m", "a\nb", "a\u202eb", "\udcff", "\u2028", "a\x00b"])
def test_what_would_command_a_terminal_is_escaped(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) > len(text)


@given(st.text())
def test_printable_text_is_shown_as_it_is(text: str) -> None:
    assert shown(text).isprintable()
    assert text.isprintable() <= (shown(text) == text)
