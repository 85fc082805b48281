"""Text that an editor saved in UTF-16: every reader of text says so, in place of what it would make of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nsface.embeddings.identity_names import read_names
from nsface.errors import NsfaceError
from nsface.images.alignment.landmarks import read_landmarks
from nsface.images.sources import open_source
from nsface.protocols.lists import read_lines
from nsface.protocols.templates import Faces, read_template_pairs
from nsface.recipe.schema import load_recipe
from nsface.text import text_lines


def pairs_of_templates(path: Path) -> object:
    return read_template_pairs(path, Faces([], np.arange(3), np.arange(3)))


def excluded(path: Path) -> object:
    return load_recipe("demo", {"exclude": str(path)})


READERS = [
    text_lines, read_lines, read_landmarks, read_names, pairs_of_templates, excluded,
    lambda path: open_source(str(path)),
]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("read", READERS)
def test_utf16_is_called_so(tmp_path: Path, read: Callable[[Path], object], encoding: str) -> None:
    (tmp_path / "list.txt").write_bytes("a/1.jpg b/2.jpg 1\n".encode(encoding))
    with pytest.raises(NsfaceError, match=r"list\.txt:1: this is UTF-16 text; convert it with `iconv"):
        read(tmp_path / "list.txt")


@pytest.mark.parametrize("read", [text_lines, read_lines, read_landmarks, read_names, excluded])
def test_bytes_that_are_no_text(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "list.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(NsfaceError, match=r"list\.txt:1: not UTF-8 text"):
        read(tmp_path / "list.txt")
    with pytest.raises(NsfaceError, match=r"other\.txt: cannot be read: no such file"):
        read(tmp_path / "other.txt")


def test_lines_end_as_any_editor_ends_them(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("\ufeffa\r\n\r\nü\u2028ü\rb\n".encode())
    assert text_lines(tmp_path / "list.txt") == ["a", "", "ü\u2028ü", "b"]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (b"caf\xe9", "not UTF-8 text"),
        (b"a\0b", "holds zero bytes"),
        (b"a" * 4097, "a line of 4,097 bytes"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, second: bytes, why: str) -> None:
    (tmp_path / "list.txt").write_bytes(b"first\n" + second + b"\n")
    with pytest.raises(NsfaceError, match=rf"list\.txt:2: {why}"):
        text_lines(tmp_path / "list.txt")
