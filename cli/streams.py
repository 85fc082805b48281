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

_ESCAPED = "nsface-escaped"  # an error handler for encoding


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
def usable() -> Iterator[None]:
    """While entered, `sys.stdout` takes every text or says that it cannot; `sys.stderr` never raises."""
    output, messages = sys.stdout, sys.stderr
    if isinstance(output, io.TextIOWrapper):
        output.reconfigure(errors=_ESCAPED)
    sys.stdout = output if output is not None else cast(TextIO, _Closed())
    sys.stderr = cast(TextIO, _Forgiving(messages))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = output, messages
        if output is not None:
            try:
                output.flush()
            except OSError:
                _give_up(output)


def _give_up(output: TextIO) -> None:
    """Let what `output` still holds go nowhere: its reader has gone, or its disk is full.

    The interpreter would try once more on its way out, and end with a status of its own.
    """
    with suppress(OSError):  # no file, but something that stands for one
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, output.fileno())
        os.close(nowhere)
        output.flush()


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode what the encoding has not as `\\u2013`; and bytes of paths that are not UTF-8 as they were."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    written = b""
    for letter in error.object[error.start : error.end]:
        code = ord(letter)
        is_byte = 0xDC80 <= code <= 0xDCFF
        written += bytes([code & 0xFF]) if is_byte else letter.encode("ascii", "backslashreplace")
    return written, error.end


codecs.register_error(_ESCAPED, _escape)


class _Closed(io.TextIOBase):
    """Standard output that is closed: a result that nobody can get is an error, as on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")


class _Forgiving:
    """Standard error: messages that nobody can read, or that do not fit a full disk, end no command."""

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
