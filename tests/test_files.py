"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from nsface.errors import NsfaceError
from nsface.files import check_folder, check_writable, replacing, write_text


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "x.json").write_text("old")
    link = tmp_path / "link.json"
    link.symlink_to(Path("far") / "x.json")
    check_writable(link)
    write_text(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "far" / "x.json").read_text() == "new"
    dangling = tmp_path / "dangling.json"
    dangling.symlink_to(Path("far") / "y.json")
    write_text(dangling, "made")
    assert (tmp_path / "far" / "y.json").read_text() == "made"


def test_pipes_and_devices_are_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    check_writable(pipe)
    write_text(pipe, "all of it")
    reader.join(10)
    assert read == ["all of it"]
    assert pipe.is_fifo()
    check_writable("/dev/null")
    write_text("/dev/null", "gone")
    assert Path("/dev/null").is_char_device()


def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    with full_disk(1000), pytest.raises(NsfaceError, match=r"cannot write .*x\.txt: file too large"):
        write_text(path, "new" * 1000)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_other_errors_pass_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "x") as temporary:
        temporary.write_text((tmp_path / "missing").read_text())
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NsfaceError, match=r"cannot make the folder .*file: not a folder"):
            check_folder(path)
