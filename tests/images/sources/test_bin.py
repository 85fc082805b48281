"""InsightFace's `.bin` sets: read from all writers, and nothing in them is ever run."""

from __future__ import annotations

import io
import pickle
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.errors import DataError
from nsface.images.sources import open_source
from nsface.images.sources.bin import BinSource


def bin_set(count: int = 12, protocol: int = 4) -> bytes:
    images = [bytes([i % 256]) * (300 if i % 2 else 10) for i in range(2 * count)]
    return pickle.dumps((images, [i % 2 == 0 for i in range(count)]), protocol)


def python_2(count: int = 12) -> bytes:
    """What Python 2 writes with protocol 2: bytes are strings, memoised."""
    out = io.BytesIO()
    out.write(b"\x80\x02]q\x00(")
    for i in range(2 * count):
        image = b"\xff\xd8" + bytes([i]) * 300
        out.write(b"T" + len(image).to_bytes(4, "little") + image + b"q" + bytes([i + 1]))
    out.write(b"e]q\xf0(" + b"\x88\x89" * (count // 2) + b"e\x86q\xf1.")
    return out.getvalue()


@pytest.mark.parametrize("data", [bin_set(protocol=3), bin_set(protocol=4), bin_set(protocol=5), python_2()])
def test_sets_of_all_writers(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "lfw.bin"
    path.write_bytes(data)
    source = open_source(str(path))
    assert isinstance(source, BinSource)
    images = [source.read(index) for index in range(len(source))]
    if data[:2] != b"\x80\x02":
        assert (images, source.same) == pickle.loads(data)
    else:
        assert images[3] == b"\xff\xd8" + b"\x03" * 300
    assert source.same == [True, False] * 6
    assert source.names[2] == "000002"
    assert set(source.identities) == {""}


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("harm",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged"),
        (b"hello", "damaged|refused"),
        (bin_set()[:-1], "damaged"),
        (bin_set()[:100], "damaged"),
        (b"\x80\x04]\x8e" + b"\xff" * 8 + b"x", "damaged"),
        (pickle.dumps(([Harm()], [True])), "opcode STACK_GLOBAL .* refused|opcode .*UNICODE .* refused"),
        (pickle.dumps((np.zeros(2), [True])), "refused"),
        (pickle.dumps({"a": 1}), "opcode EMPTY_DICT"),
        (bin_set(protocol=2), "opcode GLOBAL"),
        (pickle.dumps([b"x"] * 24), "not \\(list of images"),
        (pickle.dumps(([b"x"] * 23, [True] * 12)), "23 images for 12 pairs"),
        (pickle.dumps(([b"x"] * 24, [7] * 12)), "not booleans"),
        (pickle.dumps(([1] * 24, [True] * 12)), "not \\(list of images"),
        (b"\x80\x04e.", "nothing to work on"),
        (b"\x80\x04h\x05.", "nothing to work on"),
        (b"\x80\x04\x86.", "nothing to work on"),
        (b"\x80\x04]]0.", "POP"),
        (b"\x80\x04.", "one value"),
    ],
)
def test_bad_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, message: str) -> None:
    path = tmp_path / "bad.bin"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as error:
        BinSource(path)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        BinSource(tmp_path / "missing.bin")


@pytest.mark.parametrize(
    "piece", [b"(t", b"((tt", b")", b"(l", b"(", b"]q\0(h\0h\0e", b"(h\0t", b"]a", b"K\1\x85"], ids=repr
)
def test_the_work_grows_with_the_length_of_the_file(tmp_path: Path, piece: bytes) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"\x80\x03]q\0" + piece * (300_000 // len(piece)) + b".")
    start = time.process_time()
    with pytest.raises(DataError, match=r"damaged|not \(list"):
        BinSource(path)
    assert time.process_time() - start < 4


def test_an_image_that_stands_in_several_pairs_is_read_once(tmp_path: Path) -> None:
    image = b"\xff\xd8" + bytes(1_000_000)
    (tmp_path / "x.bin").write_bytes(pickle.dumps(([image] * 2000, [True] * 1000), 4))
    source = open_source(str(tmp_path / "x.bin"))
    start = time.process_time()
    assert len(set(source.stamps())) == 1
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "opcode", [b"\x8e" + b"\xff" * 7 + b"\x7f", b"B\xff\xff\xff\x7f", b"T\xff\xff\xff\x7f"]
)
def test_a_length_beyond_the_file_takes_no_memory(tmp_path: Path, opcode: bytes) -> None:
    (tmp_path / "x.bin").write_bytes(b"\x80\x04]" + opcode + b"x" * 100)
    tracemalloc.start()
    with pytest.raises(DataError, match="damaged"):
        BinSource(tmp_path / "x.bin")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
