"""A few seconds of the fuzzer over every parser; `python -m tests.fuzz` does more."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.harness import attempt, damaged, fuzz, make_inputs, write
from tests.fuzz.mutations import Files
from tests.fuzz.parsers import PARSERS

QUICK = [name for name, parser in PARSERS.items() if not parser.slow]
STARTS = [
    b"",
    b"PK\x03\x04",
    b"\x93NUMPY\x01\0",
    b"\x80\x04",
    b"PAR1",
    b"\x23\xd7\xce\x0a",
    b"{",
    b"- ",
    b"1\t2\n",
]


@cache
def inputs() -> dict[str, list[Files]]:
    return make_inputs(list(PARSERS))


@pytest.mark.parametrize("name", [name for name, parser in PARSERS.items() if not parser.may_refuse])
def test_sound_inputs_are_read(name: str, tmp_path: Path) -> None:
    for number, files in enumerate(inputs()[name]):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(PARSERS[name].finish(files), folder)
        PARSERS[name].read(folder)


@pytest.mark.parametrize("name", QUICK)
def test_damaged_inputs_end_in_a_value_or_one_message(name: str) -> None:
    assert list(fuzz([name], runs=40, seed=1)) == []


@pytest.mark.parametrize("name", [name for name in PARSERS if name not in QUICK])
def test_damaged_inputs_of_slow_readers(name: str) -> None:
    assert list(fuzz([name], runs=5, seed=1)) == []


@settings(max_examples=15)
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@pytest.mark.parametrize("name", QUICK)
def test_any_bytes(name: str, start: bytes, rest: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = dict.fromkeys(inputs()[name][0], start + rest)
        write(PARSERS[name].finish(files), Path(folder))
        assert list(attempt(name, 0, Path(folder))) == []


def test_runs_can_be_repeated() -> None:
    one, again, other = (damaged("pairs", inputs()["pairs"], seed, 7) for seed in (3, 3, 4))
    assert one == again != other
