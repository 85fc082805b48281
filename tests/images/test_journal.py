"""The journal: what was done is known again, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from nsface.errors import NsfaceError
from nsface.images.journal import Journal

PLAN = {"source": "é", "size": [112, 96]}


class Part(BaseModel):
    number: int
    note: str | None = None


def opened(path: Path, plan: dict[str, Any] = PLAN, restart: bool = False) -> Journal[Part]:
    return Journal(path, plan, Part, restart=restart)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with three entries."""
    with opened(tmp_path / "journal.jsonl") as journal:
        for number in range(3):
            journal.add(Part(number=number))
    return tmp_path / "journal.jsonl"


def numbers(path: Path) -> list[int]:
    with opened(path) as journal:
        return [entry.number for entry in journal.entries]


def test_it_is_lines_of_json(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines == ['{"source": "é", "size": [112, 96]}', *(f'{{"number":{number}}}' for number in range(3))]


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_line_that_was_cut_off_is_removed(path: Path, cut: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with opened(path) as journal:
        assert len(journal.entries) == 2
        journal.add(Part(number=2))
    assert path.read_bytes() == whole


def test_entries_after_a_damaged_one_are_removed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'{"number":1}', b'{"number":x}'))
    assert numbers(path) == [0]
    assert path.read_bytes().count(b"\n") == 2


def test_entries_can_be_given_up(path: Path) -> None:
    with opened(path) as journal:
        journal.keep(1)
        journal.add(Part(number=7))
    assert numbers(path) == [0, 7]


def test_a_plan_that_was_cut_off_begins_anew(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9])
    assert numbers(path) == []


def test_another_plan_is_an_error_or_begins_anew(path: Path) -> None:
    (path.parent / "made").touch()
    with pytest.raises(NsfaceError, match="holds the work of another call"):
        opened(path, {})
    assert numbers(path) == [0, 1, 2]
    with opened(path, {}, restart=True) as journal:
        assert journal.entries == []
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_of_something_else_and_one_in_use(path: Path) -> None:
    with pytest.raises(NsfaceError, match="has other files in it already"):
        opened(path.with_name("other.jsonl"))
    with opened(path), pytest.raises(NsfaceError, match="is being written by another process"):
        opened(path)
    assert numbers(path) == [0, 1, 2]
