"""What a killed writer leaves is taken over; what a living one writes is not touched."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nsface.files import new_folder, replacing, write_text
from nsface.unfinished import abandon, unfinished

WRITER = """\
import sys, time
from pathlib import Path
from nsface.unfinished import abandon, unfinished
with unfinished(Path(sys.argv[1]), folder=sys.argv[2] == "folder") as path:
    (path / "half" if path.is_dir() else path).write_text("half")
    print(path, flush=True)
    time.sleep(60)
"""


def writer(place: Path, kind: str) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(place), kind], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def killed(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize(
    "name", ["model.safetensors", "no suffix", "größe.tar", "x" * 250, "é" * 120 + ".pt"]
)
def test_what_a_killed_writer_leaves_is_taken_over(tmp_path: Path, kind: str, name: str) -> None:
    process, left = writer(tmp_path / name, kind)
    killed(process)
    assert list(tmp_path.iterdir()) == [left]
    assert left.name.startswith(".")
    with unfinished(tmp_path / name, folder=kind == "folder") as path:
        assert path == left
        assert (list(path.iterdir()) if kind == "folder" else path.read_bytes()) in ([], b"")
        assert path.name.endswith(Path(name).suffix)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_two_living_writers_do_not_meet_and_both_are_swept_once_dead(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "x.txt"
    (first, one), (second, two) = writer(place, kind), writer(place, kind)
    assert one != two
    with unfinished(place, folder=kind == "folder") as path:
        assert path not in (one, two)
    assert {one, two} == set(tmp_path.iterdir())
    assert (one / "half" if kind == "folder" else one).read_text() == "half"
    killed(first, second)
    with unfinished(place, folder=kind == "folder") as path:
        assert list(tmp_path.iterdir()) == [path]
    assert list(tmp_path.iterdir()) == []


def test_threads_that_write_one_name_do_not_meet(tmp_path: Path) -> None:
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        for _ in range(20):
            write_text(tmp_path / "x", str(number) * 1000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    text = (tmp_path / "x").read_text()
    assert text == text[0] * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_link_or_folder_in_the_way_is_passed_by(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".x.part0").symlink_to(victim)
    (tmp_path / ".x.part1").mkdir()
    write_text(tmp_path / "x", "text")
    with new_folder(tmp_path / "y") as folder:
        (folder / "a").write_text("a")
    assert (victim.read_text(), (tmp_path / "x").read_text()) == ("mine", "text")
    assert (tmp_path / ".x.part0").is_symlink()


@pytest.mark.parametrize("folder", [False, True])
def test_without_locks_nothing_is_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    umask = os.umask(0o027)
    try:
        with unfinished(tmp_path / "x.txt", folder=folder) as one:
            (one / "a" if folder else one).write_text("one")
            with unfinished(tmp_path / "x.txt", folder=folder) as two:
                assert one != two
                assert (one / "a" if folder else one).read_text() == "one"
                assert two.stat().st_mode & 0o777 == (0o750 if folder else 0o640)
                assert two.suffix == ".txt"
    finally:
        os.umask(umask)
    assert list(tmp_path.iterdir()) == []


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        write_text(tmp_path / "x", "text")
        with new_folder(tmp_path / "y"):
            pass
    finally:
        os.umask(umask)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "y").stat().st_mode & 0o777 == 0o750


def test_a_writer_that_put_its_file_in_place_keeps_it(tmp_path: Path) -> None:
    """Who has opened the name before it was renamed must not take the finished file for an unfinished one."""
    with replacing(tmp_path / "x") as temporary:
        temporary.write_text("whole")
        late = os.open(temporary, os.O_RDWR)
    write_text(tmp_path / "x", "next")
    os.close(late)
    assert (tmp_path / "x").read_text() == "next"


@pytest.mark.parametrize("folder", [True, False])
def test_what_is_abandoned_is_gone_but_not_what_has_its_name(tmp_path: Path, folder: bool) -> None:
    with unfinished(tmp_path / "a", folder=folder) as renamed, unfinished(tmp_path / "b") as left:
        renamed.rename(tmp_path / "a")
        renamed.write_text("another's")
        abandon()
        assert not left.exists()
        assert sorted(tmp_path.iterdir()) == [renamed, tmp_path / "a"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking where there are threads
@pytest.mark.parametrize("folder", [False, True])
def test_a_killed_writer_is_known_as_dead_while_a_process_it_forked_lives(
    tmp_path: Path, folder: bool
) -> None:
    receiving, sending = os.pipe()
    writing = os.fork()
    if not writing:
        with unfinished(tmp_path / "x", folder=folder):
            forked = os.fork()
            if not forked:
                signal.pause()
            os.write(sending, str(forked).encode())
            os._exit(0)  # as if it were killed: nothing is cleaned up
    os.waitpid(writing, 0)
    forked = int(os.read(receiving, 20))
    try:
        assert [path.name for path in tmp_path.iterdir()] == [".x.part0"]
        with unfinished(tmp_path / "x", folder=folder) as path:
            assert path.name == ".x.part0"
        assert not list(tmp_path.iterdir())
    finally:
        os.kill(forked, signal.SIGKILL)
        os.close(receiving)
        os.close(sending)
