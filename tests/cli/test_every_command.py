"""Every command, found by its own parameters: paths and numbers that cannot be give one line and status 2."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest

from nsface.cli import COMMANDS, group
from nsface.synthetic import write_training_set
from tests.cli.evaluation import PEOPLE, made

Run = Callable[..., Any]
LIMIT = 5  # seconds of work
RECIPE = "network: {name: light-resnet, embedding_size: 8, channels: 16}\nhead: {name: softmax}\nepochs: 1\n"


def parameters(name: str) -> list[click.Parameter]:
    assert isinstance(group, click.Group)
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return command.params


def takes_text(parameter: click.Parameter) -> bool:
    """Whether any text may be given: paths, and names that may be paths too."""
    return isinstance(parameter.type, click.Path | type(click.STRING))


def takes_number(parameter: click.Parameter) -> bool:
    return isinstance(parameter.type, type(click.INT) | type(click.FLOAT))


def all_of(kind: Callable[[click.Parameter], bool]) -> list[tuple[str, str]]:
    return [
        (name, str(parameter.name))
        for name in COMMANDS
        for parameter in parameters(name)
        if kind(parameter)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that everybody may enter, with an input of each kind."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    write_training_set(folder / "images", identities=3, images=2)
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "people.txt").write_text("1\n2\nP00\t3\nP01\t3\n")
    pair = "P{0:02d}/P{0:02d}_0001.jpg\tP{1:02d}/P{1:02d}_0002.jpg\t{2}\t{3}\n"
    pairs = [pair.format(2 * fold, 2 * fold + 1 - same, same, fold + 1) for fold in (0, 1) for same in (0, 1)]
    (folder / "pairs.txt").write_text("".join(pairs))
    (folder / "file.txt").write_text("a file\n")
    (folder / "loop").symlink_to("loop")
    (folder / "folder").mkdir()
    (folder / "closed").mkdir(mode=0)
    made(folder / "faces.npz", [f"{person}/{person}_{i:04d}.jpg" for person in PEOPLE for i in range(1, 4)])
    yield folder
    (folder / "closed").chmod(0o700)
    shutil.rmtree(folder)


def arguments(name: str, place: Path, given: dict[str, str]) -> list[str]:
    """A command line with the values `given` by name, and what is there for all that the command needs."""
    usual = {
        "recipe": "recipe.yaml", "data": "images", "source": "images", "src": "images", "images": "images",
        "embeddings": "faces.npz", "train": "faces.npz", "test": "faces.npz", "first": "faces.npz",
        "second": "faces.npz", "pairs": "pairs.txt", "people": "people.txt", "subjects": "people.txt",
        "out": "new", "output": "new.npz", "target": "new", "dst": "new", "store": "new",
    }  # fmt: skip
    options: list[str] = []
    words: list[str] = []
    for parameter in parameters(name):
        key = str(parameter.name)
        if key not in given and not parameter.required:
            continue
        value = given.get(key) or ("lfw" if key == "what" else str(place / usual.get(key, "file.txt")))
        if key in given:
            value = given[key]
        elif isinstance(parameter.type, click.Choice):
            value = str(parameter.type.choices[0])
        if isinstance(parameter, click.Argument):
            words += [value] * (2 if parameter.nargs == -1 else 1)
        else:
            options += [parameter.opts[0], value]
    return [name, *options, "--", *words]


def refused(nsface: Run, name: str, place: Path, given: dict[str, str]) -> None:
    """One line and status 2, whatever the values `given`; each message shows them."""
    start = time.process_time()
    outcome = nsface(*arguments(name, place, given))
    took = time.process_time() - start
    assert outcome.status == 2, (given, outcome)
    assert outcome.out == "", (given, outcome)
    assert outcome.err.count("\n") == 1, (given, outcome)
    assert outcome.err.strip().isprintable(), (given, outcome)
    assert "internal error" not in outcome.err, (given, outcome)
    assert took < LIMIT, given


BAD = {
    "long name": "x" * 300,
    "long path": "/".join(["x" * 200] * 30),
    "long part": "x" * 300 + "/y.txt",
    "below a file": "file.txt/x.npz",
    "circle": "loop",
    "below a circle": "loop/x.txt",
    "nothing there": "nowhere/x.npz",
    "NUL": "a\0b.npz",
    "line break": "no\nsuch\x1b[31m/folder.npz",
    "not UTF-8": "no-\udcff/folder.npz",
}


FOLDERS = {"out", "plots", "folder"}  # that a command makes, and those above them
FILES = {"json_to", "exclude"}  # that a command writes, in the place of any link


@pytest.mark.parametrize(("name", "key"), all_of(takes_text))
def test_paths_that_cannot_be(name: str, key: str, place: Path, nsface: Run) -> None:
    kinds = set(BAD)
    if key in FOLDERS:
        kinds -= {"nothing there", "line break", "not UTF-8"}
    if key in FILES:
        kinds -= {"circle"}
    for kind in sorted(kinds):
        refused(nsface, name, place, {key: str(place / BAD[kind])})


@contextmanager
def locked_out() -> Iterator[None]:
    """Without the privilege of root to enter every folder (Linux: capabilities of this thread, then back)."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may enter every folder here")
    effective = capabilities()
    capabilities(effective[0] & ~(CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH))
    try:
        yield
    finally:
        capabilities(effective[0])


CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1 << 1, 1 << 2


def capabilities(effective: int | None = None) -> list[int]:
    """The six words of capget(2): effective, permitted, inheritable, twice; `effective` is set first."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("Ii", 0x20080522, 0)
    words = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, words) == 0, os.strerror(ctypes.get_errno())
    if effective is not None:
        words[0] = effective
        assert libc.capset(header, words) == 0, os.strerror(ctypes.get_errno())
    return list(words)


@pytest.mark.parametrize(("name", "key"), all_of(takes_text))
def test_folders_that_one_may_not_enter(name: str, key: str, place: Path, nsface: Run) -> None:
    with locked_out():
        refused(nsface, name, place, {key: str(place / "closed" / "x.npz")})


EXTREME = ["-1", str(10**30), "-" + "9" * 40, "nan", "inf", "-inf", "1e400", "", "one", "9" * 5000]


@pytest.mark.parametrize(("name", "key"), all_of(takes_number))
def test_numbers_that_cannot_be(name: str, key: str, place: Path, nsface: Run) -> None:
    for value in EXTREME:
        if (name, key, value) != ("overlap", "threshold", "-1"):  # a cosine
            refused(nsface, name, place, {key: value})
