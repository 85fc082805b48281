"""Packing that was killed goes on where it stopped, to the same files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nsface.images.sources import Source, StoreSource, open_source
from nsface.images.store.packing import pack
from tests.images.pictures import write_tar

pytestmark = pytest.mark.usefixtures("small_blocks")

KILLED = """
import os, signal, sys
from pathlib import Path
from nsface.images.store import packing
from nsface.images import partial
from nsface.images.sources import open_source
packing.BLOCK = 8
add, calls = partial.Partial.add, 0
def counted(self, entry, data):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        self._data.write(bytes(data)[:100])  # half a block, without its line
        self._data.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, entry, data)
partial.Partial.add = counted
packing.pack(open_source(sys.argv[1]), Path(sys.argv[2]), encoded=sys.argv[4] == "encoded")
"""


@pytest.mark.parametrize("how", ["pixels", "encoded"])
def test_killed_and_resumed(tar: Source, tmp_path: Path, how: str) -> None:
    target = tmp_path / "store"
    command = [sys.executable, "-c", KILLED, tar.location, str(target), "4", how]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert not target.exists()
    partial = tmp_path / "store.partial"
    assert len((partial / "journal.jsonl").read_text().splitlines()) == 1 + 3, "the plan and three blocks"
    done: list[int] = []
    pack(tar, target, encoded=how == "encoded", progress=done.append)
    assert done == [24, 8, 8], "what was done is not done again"
    assert StoreSource(target).verify() == []
    pack(tar, tmp_path / "at once", encoded=how == "encoded")
    for name in os.listdir(target):
        assert (target / name).read_bytes() == (tmp_path / "at once" / name).read_bytes()
    assert not partial.exists()


def test_what_the_journal_does_not_bear_out_is_done_again(tar: Source, tmp_path: Path) -> None:
    target, partial = tmp_path / "store", tmp_path / "store.partial"
    command = [sys.executable, "-c", KILLED, tar.location, str(target), "4", "pixels"]
    subprocess.run(command)
    data = bytearray((partial / "pixels.npy").read_bytes())
    data[128 + 8 * 360 + 5] ^= 1  # in the second block
    (partial / "pixels.npy").write_bytes(data)
    done: list[int] = []
    pack(tar, target, progress=done.append)
    assert done[0] == 8
    assert StoreSource(target).verify() == []


def test_another_source_begins_anew(tar: Source, tmp_path: Path) -> None:
    target = tmp_path / "store"
    subprocess.run([sys.executable, "-c", KILLED, tar.location, str(target), "4", "encoded"])
    write_tar(Path(tar.location), images=24, extension=".png")
    changed = open_source(tar.location)
    done: list[int] = []
    pack(changed, target, progress=done.append)
    assert done == [0, 8, 8, 8]
    assert sorted(os.listdir(target))[-1] == "pixels.npy"
    assert np.array_equal(StoreSource(target).pixels(5), changed.pixels(5))


def test_what_an_earlier_version_has_begun_begins_anew(tar: Source, tmp_path: Path) -> None:
    partial = tmp_path / "store.partial"
    partial.mkdir()
    (partial / "plan.json").write_text("{}")
    (partial / "pixels.npy").write_bytes(bytes(1000))
    for journal in ("", '{"first":0,"count":8,"bytes":0,"sha256":"","sizes":[],"bad":{}}\n'):
        (partial / "journal.jsonl").write_text(journal)
        done: list[int] = []
        pack(tar, tmp_path / "store", progress=done.append)
        assert done[0] == 0
        assert not (tmp_path / "store" / "plan.json").exists()
        assert StoreSource(tmp_path / "store").verify() == []
        (tmp_path / "store").rename(partial)
