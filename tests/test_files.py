"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from nsface.errors import NsfaceError
from nsface.files import (
    check_folder,
    check_new_folder,
    check_writable,
    digest,
    new_folder,
    replacing,
    write_text,
)


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


def test_what_is_written_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []
    fsync, replace, rename = os.fsync, os.replace, Path.rename

    def synced(handle: int) -> None:
        done.append(("sync", Path(os.readlink(f"/proc/self/fd/{handle}")).name))
        fsync(handle)

    def named(path: Path) -> Path:
        done.append(("name", path.name))
        return path

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "sync", lambda: done.append(("sync", "all")))
    monkeypatch.setattr(os, "replace", lambda a, b: replace(a, named(b)))
    monkeypatch.setattr(Path, "rename", lambda a, b: rename(a, named(b)))
    write_text(tmp_path / "x.json", "text")
    assert done == [("sync", ".x.json.part0.json"), ("name", "x.json"), ("sync", tmp_path.name)]
    done.clear()
    with new_folder(tmp_path / "y") as folder:
        for number in range(300):
            (folder / str(number)).touch()
    assert done == [("sync", "all"), ("name", "y"), ("sync", tmp_path.name)]


@pytest.mark.parametrize(("files", "platform"), [(2, "linux"), (2, "darwin"), (300, "darwin")])
def test_few_files_are_synced_one_by_one_and_many_where_not_all_can_be_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, platform: str
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(
        os, "fsync", lambda handle: seen.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
    )
    with new_folder(tmp_path / "y") as folder:
        (folder / "below").mkdir()
        for number in range(files):
            (folder / "below" / str(number)).touch()
        (folder / "b").touch()
    assert sorted(seen) == sorted(["b", ".y.part0", "below", tmp_path.name, *map(str, range(files))])


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_sync_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refusing(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refusing)
    write_text(tmp_path / "x", "text")
    assert (tmp_path / "x").read_text() == "text"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_turns_out_full_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refusing(_: int) -> None:
        raise OSError(code, os.strerror(code))

    (tmp_path / "x").write_text("old")
    monkeypatch.setattr(os, "fsync", refusing)
    with pytest.raises(NsfaceError, match=r"cannot write .*x: "):
        write_text(tmp_path / "x", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("name", ["x" * 300, "é" * 200, "a/" * 20 + "x" * 256])
def test_names_that_are_too_long_are_an_error_of_the_user(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    for attempt in (check_writable, lambda path: write_text(path, "x"), lambda path: check_new_folder(path)):
        with pytest.raises(NsfaceError, match=r"cannot write .*file name too long"):
            attempt(tmp_path / name)


def test_names_are_shown_escaped(tmp_path: Path) -> None:
    for name in ("\x1b[31m/x", "a\nb/x", "\u202egpj/x"):
        with pytest.raises(NsfaceError) as error:
            write_text(tmp_path / name, "text")
        assert str(error.value).isprintable()


@pytest.mark.parametrize("size", [0, 1 << 20, (1 << 21) + 1])
def test_the_digest_is_that_of_all_bytes(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    assert digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_the_digest_of_a_missing_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        digest(tmp_path / "missing")
