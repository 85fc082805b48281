"""Damage to files: reproducible, from a random number generator, a few changes at a time."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

Files = dict[str, bytes]  # by name; an input may be several files
Mutation = Callable[[random.Random, bytes], bytes]

LARGEST = 1 << 20  # bytes that a mutated file may have

_NUMBERS = [
    *(struct.pack(f"{order}{kind}", value)
      for order in "<>"
      for kind, values in (
          ("B", (0, 1, 0x7F, 0x80, 0xFF)),
          ("H", (0, 1, 0x7FFF, 0x8000, 0xFFFF)),
          ("I", (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 20)),
          ("Q", (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 40)),
          ("f", (float("nan"), float("inf"), -1.0, 1e38)),
      )
      for value in values),
]  # fmt: skip

_TOKENS = [
    b"-1", b"0", b"1", b"-0", b"1e400", b"1e-400", b"nan", b"NaN", b"inf", b"-Infinity", b"0x7f", b"1_000",
    b"9" * 40, b"9" * 5000, b"0.1" * 9, b"999999999", b"4294967296", b"18446744073709551616", b"true",
    b"null", b"~", b'""', b"''", b"[]", b"{}", b"[" * 2000, b'{"a":' * 2000, b"(" * 100, b"&a [*a, *a]",
    b"!!python/object:os", b"<<: *a", b"\0", b"\r", b"\n", b"\r\n", b"\t", b" ", b",", b":", b"#", b"/",
    b"..", b"../", b"\\", b"\xff",
    b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\x1b[31m", b"\xe2\x80\xae",
    b"\xd9\xa1", b"\xc2\xb2", b"\xe2\x91\xa0", b"A" * 300, b"x/" * 300, b"%s%n", b"{0..999999999}",
    b"\x80\x04", b"PK\x03\x04", b"PAR1", b"\x93NUMPY", b"\xff\xd8", b"\xff\xd9", b"\xff\xda", b"RIFF",
]  # fmt: skip


def mutated(chance: random.Random, files: Files) -> Files:
    """`files` with one of them damaged, by one to five changes; rarely without one of them."""
    result = dict(files)
    name = chance.choice(sorted(files))
    if len(files) > 1 and chance.random() < 0.02:
        del result[name]
        return result
    data = files[name]
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        data = chance.choice(_MUTATIONS)(chance, data)
    result[name] = data[:LARGEST]
    return result


def _place(chance: random.Random, data: bytes) -> int:
    """A place in `data`, more often near its ends, where headers and indices are."""
    kind = chance.random()
    if kind < 0.3:
        return chance.randrange(min(len(data), 64) + 1)
    if kind < 0.4:
        return len(data) - chance.randrange(min(len(data), 64) + 1)
    return chance.randrange(len(data) + 1)


def _length(chance: random.Random, data: bytes) -> int:
    return min(len(data), 1 << chance.randrange(12))


def _flip(chance: random.Random, data: bytes) -> bytes:
    if not data:
        return data
    place = min(_place(chance, data), len(data) - 1)
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def _byte(chance: random.Random, data: bytes) -> bytes:
    place = _place(chance, data)
    return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]


def _number(chance: random.Random, data: bytes) -> bytes:
    place, number = _place(chance, data), chance.choice(_NUMBERS)
    return data[:place] + number + data[place + len(number) :]


def _token(chance: random.Random, data: bytes) -> bytes:
    place, token = _place(chance, data), chance.choice(_TOKENS)
    return data[:place] + token + data[place + chance.choice((0, len(token), 1)) :]


def _word(chance: random.Random, data: bytes) -> bytes:
    """Another word in the place of one between blanks, tabs, commas or quotation marks."""
    place = _place(chance, data)
    start = max(data.rfind(mark, 0, place) for mark in (b" ", b"\t", b"\n", b",", b'"', b":")) + 1
    ends = [end for mark in (b" ", b"\t", b"\n", b",", b'"', b"}") if (end := data.find(mark, start)) >= 0]
    return data[:start] + chance.choice(_TOKENS) + data[min(ends, default=len(data)) :]


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: _place(chance, data)]


def _delete(chance: random.Random, data: bytes) -> bytes:
    place = _place(chance, data)
    return data[:place] + data[place + _length(chance, data) :]


def _repeat(chance: random.Random, data: bytes) -> bytes:
    place, length = _place(chance, data), _length(chance, data)
    return (
        data[: place + length]
        + data[place : place + length] * chance.choice((1, 1, 2, 50))
        + data[place + length :]
    )


def _move(chance: random.Random, data: bytes) -> bytes:
    place, other, length = _place(chance, data), _place(chance, data), _length(chance, data)
    return data[:place] + data[other : other + length] + data[place + length :]


def _line(chance: random.Random, data: bytes) -> bytes:
    """A line twice, away, or in another place."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    line = chance.randrange(len(lines))
    some = [lines[line]] * chance.choice((0, 2, 3))
    lines[line : line + 1] = some
    if lines and chance.random() < 0.3:
        lines.insert(chance.randrange(len(lines)), lines.pop(chance.randrange(len(lines))))
    return b"".join(lines)


_MUTATIONS: list[Mutation] = [
    _flip, _byte, _number, _number, _token, _token, _word, _cut, _delete, _repeat, _move, _line,
]  # fmt: skip
