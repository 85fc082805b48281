"""What files in a folder are looked at, and what is known of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nsface.errors import DataError
from nsface.protocols import list_files
from nsface.protocols.list_files import contents, distinct


def write(path: Path, data: bytes = b"one\ntwo\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(folder: Path) -> list[str]:
    return [file.path.relative_to(folder).as_posix() for file in contents(folder).files]


def test_images_pipes_and_broken_links_are_passed_over(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "sub/c", "sub/face.jpg", "sub/photo.HEIC"):
        write(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing")
    assert names(tmp_path) == ["a.txt", "b.txt", "sub/c"]


@pytest.mark.parametrize("circle", ["itself", "one another", "a folder below"])
def test_a_link_that_leads_nowhere_but_back_keeps_no_file_from_being_read(
    tmp_path: Path, circle: str
) -> None:
    write(tmp_path / "a.txt")
    (tmp_path / "sub").mkdir()
    first = tmp_path / ("sub/first" if circle == "a folder below" else "first")
    second = tmp_path / "second" if circle == "one another" else first
    first.symlink_to(second)
    if second != first:
        second.symlink_to(first)
    found = contents(tmp_path)
    assert [file.path.name for file in found.files] == ["a.txt"]
    assert {path for path, _ in found.unreadable} == {first, second}
    assert {why for _, why in found.unreadable} == {"too many levels of symbolic links"}


def test_a_folder_that_is_there_twice_is_looked_at_once(tmp_path: Path) -> None:
    write(tmp_path / "a" / "list.txt")
    (tmp_path / "a" / "round").symlink_to(tmp_path)  # a circle
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert names(tmp_path) == ["a/list.txt"]


def test_depth_and_number_are_bounded_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "/".join("x" * (list_files.DEEPEST + 1))
    write(tmp_path / "list.txt")
    write(tmp_path / deep / "deep.txt")
    found = contents(tmp_path)
    assert ([file.path.name for file in found.files], found.more) == (["list.txt"], True)
    monkeypatch.setattr(list_files, "MOST_FILES", 3)
    for number in range(3):
        write(tmp_path / "many" / f"{number}.txt")
    found = contents(tmp_path)
    assert ([file.path.name for file in found.files], found.more) == (["list.txt"], True)


def test_what_cannot_be_read_is_told_and_the_rest_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.txt")
    locked = write(tmp_path / "locked.txt")

    def refuse(path: Path) -> bytes:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return path.read_bytes()

    monkeypatch.setattr(list_files, "_head", refuse)
    found = contents(tmp_path)
    assert [file.path.name for file in found.files] == ["a.txt"]
    assert found.unreadable == [(locked, "permission denied")]


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    for place in (tmp_path / "nothing", write(tmp_path / "file")):
        with pytest.raises(DataError, match="no such folder"):
            contents(place)


def test_line_ends_and_byte_order_marks_make_no_other_list(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    write(tmp_path / "b.txt", b"\xef\xbb\xbfone\r\ntwo\r\n")
    write(tmp_path / "c.txt", b"one\nthree\n")
    (first, second) = distinct(contents(tmp_path).files)
    assert (first.path.name, [path.name for path in first.copies]) == ("a.txt", ["b.txt"])
    assert second.path.name == "c.txt"
    assert not second.copies


def test_lines_are_those_of_a_text(tmp_path: Path) -> None:
    long = b"line of a long list\n" * 9000
    for name, data in {"utf16": "one\ntwo".encode("utf-16"), "zeros": b"one\0two", "long": long}.items():
        write(tmp_path / name, data)
    lines = {file.path.name: file.lines for file in contents(tmp_path).files}
    assert lines["utf16"] == ["one", "two"]
    assert lines["zeros"] == []
    assert set(lines["long"]) == {"line of a long list"}, "the last line of the head is not cut"
