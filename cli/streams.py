"""Standard output and standard error, whatever they are: closed, full, in another encoding than UTF-8."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

_ESCAPE = "nsface-escape"  # the name of an error handler for encoding


def open_standard_files() -> None:
    """Put /dev/null where standard input, output or error are closed.

    Otherwise the next file that is opened takes the number 0, 1 or 2, and what is printed is written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)  # takes the lowest free number


@contextmanager
def safe_streams() -> Iterator[None]:
    """While entered, `sys.stdout` encodes every text or raises if closed; `sys.stderr` never raises."""
    output, messages = sys.stdout, sys.stderr
    if isinstance(output, io.TextIOWrapper):
        output.reconfigure(errors=_ESCAPE)
    sys.stdout = output if output is not None else cast(TextIO, _Closed())
    sys.stderr = cast(TextIO, _NeverRaising(messages))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = output, messages
        if output is not None:
            try:
                output.flush()
            except OSError:
                _discard(output)


def _discard(output: TextIO) -> None:
    """Discard what `output` still holds, since its reader has gone or its disk is full.

    Otherwise the interpreter would try to write it once more at exit, and end with a status of its own.
    """
    with suppress(OSError):  # `output` may be an object without a file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, output.fileno())
        os.close(nowhere)
        output.flush()


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode what the encoding lacks as `\\u2013`, and bytes of paths that are not UTF-8 as they were."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    written = b""
    for letter in error.object[error.start : error.end]:
        code = ord(letter)
        is_byte = 0xDC80 <= code <= 0xDCFF
        written += bytes([code & 0xFF]) if is_byte else letter.encode("ascii", "backslashreplace")
    return written, error.end


codecs.register_error(_ESCAPE, _escape)


class _Closed(io.TextIOBase):
    """Standard output that is closed: a result that cannot be written is an error, as on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")


class _NeverRaising:
    """Standard error: a command goes on where its messages cannot be written."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream or io.TextIOWrapper(open(os.devnull, "wb"), "utf-8")  # noqa: SIM115

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
