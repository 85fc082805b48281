"""Whose fault an exception is: what the user gave, or the machine, is status 2; ours stays status 1."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from nsface import cli
from nsface.cli.faults import users_fault

Run = Callable[..., Any]


def raised(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    "number", [errno.EACCES, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EIO, errno.EROFS]
)
@pytest.mark.parametrize("path", ["faces", "faces/below/it.jpg", "/somewhere/that/a/recipe/names"])
def test_what_the_system_says_of_a_users_path(number: int, path: str) -> None:
    problem = users_fault(raised(number, path), ["pack", "faces", "store"])
    assert problem is not None
    assert problem.startswith(f"{path}: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["pack", "faces", "s"],
        ["pack", "--data=faces"],
        ["pack", "-ofaces"],
        ["pack", "faces/x"],
        ["pack", "./faces"],
    ],
)
def test_a_missing_file_counts_where_it_was_named(arguments: list[str]) -> None:
    assert users_fault(raised(errno.ENOENT, "faces"), arguments)
    assert users_fault(raised(errno.ENOENT, "faces/made-by-us.tmp"), ["pack", "faces"]) is None
    assert users_fault(raised(errno.ENOENT, "another"), arguments) is None


@pytest.mark.parametrize("place", [sys.prefix, sys.base_prefix, str(Path(cli.__file__).parent)])
def test_files_of_nsface_and_python_are_ours(place: str) -> None:
    for number in (errno.EACCES, errno.ENOENT, errno.EIO):
        assert users_fault(raised(number, f"{place}/lib/page.html"), ["report", place]) is None


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 9 TiB"),
        raised(errno.ENOMEM),
        raised(errno.EMFILE),
        raised(errno.EAGAIN),
        raised(errno.ENOSPC),
        raised(errno.EIO),
        ValueError("embedded null byte"),
        ValueError("lstat: embedded null character in path"),
        RuntimeError("Symlink loop from '/a'"),
    ],
    ids=str,
)
def test_machines_and_odd_paths(error: Exception) -> None:
    assert users_fault(error, [])


@pytest.mark.parametrize(
    "error",
    [
        ValueError("could not broadcast"),
        RuntimeError("shape"),
        KeyError("embedded null"),
        TypeError("a"),
        raised(errno.EBADF),
        raised(errno.EINVAL),
        raised(errno.ENOENT),
        OSError("no number"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        RecursionError(),
        AssertionError(),
    ],
    ids=repr,
)
def test_faults_of_ours(error: Exception) -> None:
    assert users_fault(error, ["pack", "faces"]) is None


def test_status_and_line(nsface: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Raises(click.Command):
        error: BaseException

        def invoke(self, ctx: click.Context) -> Any:
            raise self.error

    command = Raises("doctor")
    assert isinstance(cli.group, cli.LazyGroup)
    monkeypatch.setattr(type(cli.group), "get_command", lambda *_: command)
    for error, status, words in (
        (raised(errno.EACCES, "x"), 2, "x: permission denied"),
        (MemoryError(), 2, "not enough memory"),
        (ZeroDivisionError("a\nb\x1b[0m"), 1, "ZeroDivisionError: a b\\x1b[0m"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ):
        command.error = error
        outcome = nsface("doctor")
        assert outcome.status == status
        assert words in outcome.err
        assert outcome.err.count("\n") == 1
        assert outcome.err.strip().isprintable()
