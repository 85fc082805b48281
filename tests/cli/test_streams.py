"""Standard streams that are closed, full or of another encoding; names that would command a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nsface.cli
from nsface.errors import shown
from tests.cli.evaluation import PEOPLE, made

Run = Callable[..., Any]
CLI = [sys.executable, "-m", "nsface"]


def shell(redirection: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = f'"$0" "$@" {redirection}'
    return subprocess.run(
        ["/bin/sh", "-c", command, *CLI, *arguments], env=os.environ | environment, capture_output=True,
        timeout=120,
    )  # fmt: skip


REFUSED = ("doctor", "--json", "nowhere/x.json")
SMALL = ("--identities=2", "--images-each=1", "--lfw-pairs=0", "--ytf-pairs=0", "--workers=1")
RESULT = ("--version",)


@pytest.mark.parametrize("closed", ["2>&-", "2>&- <&-", "2>/dev/full"])
def test_standard_error_that_takes_nothing(closed: str) -> None:
    refused = shell(closed, *REFUSED)
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, b"", b"")
    done = shell(closed, *RESULT)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"nsface ")


@pytest.mark.parametrize("closed", [">&-", ">/dev/full", ">&- <&-"])
def test_standard_output_that_takes_nothing(closed: str) -> None:
    done = shell(closed, *RESULT)
    assert done.returncode == 2
    assert done.stdout == b""
    assert re.fullmatch(rb"nsface: cannot write.*\n", done.stderr)
    refused = shell(closed, *REFUSED)
    assert refused.returncode == 2
    assert re.fullmatch(rb"nsface.*: cannot write nowhere/x.json: no such folder.*\n", refused.stderr)


def test_all_streams_closed(tmp_path: Path) -> None:
    """What is opened next must not take a stream's number, and be printed into."""
    done = shell("<&- >&- 2>&-", "synth", str(tmp_path / "faces"), *SMALL)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert len(list((tmp_path / "faces").rglob("*.jpg"))) == 2
    assert shell("<&- >&- 2>&-", *REFUSED).returncode == 2


def test_standard_input_closed() -> None:
    refused = shell("<&-", "pack", "-", "store")
    assert refused.returncode == 2
    assert re.fullmatch(rb"nsface: standard input is closed.*\n", refused.stderr)


def test_reader_of_messages_gone(tmp_path: Path) -> None:
    """Work goes on, though nobody reads what it says."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*CLI, "synth", str(tmp_path / "faces"), *SMALL], stderr=writing, timeout=120)
    os.close(writing)
    assert done.returncode == 0
    assert (tmp_path / "faces").is_dir()


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_encodings_of_standard_output(environment: dict[str, str]) -> None:
    done = shell("", "train", "--help", **environment)  # which has an α
    assert (done.returncode, done.stderr) == (0, b"")
    refused = shell("", "doctor", "--json", "häuser/→", **environment)
    assert refused.returncode == 2
    assert b"internal error" not in refused.stderr


def test_json_in_an_encoding_that_lacks_a_letter(own_pairs: Path, tmp_path: Path) -> None:
    names = [f"{person}/{person}_{i:04d}.jpg" for person in PEOPLE for i in range(1, 5)]
    file = made(tmp_path / "Ärzte–😀.npz", names)
    for encoding in ("utf-8", "latin-1"):
        arguments = ("eval-pairs", str(file), "--pairs", str(own_pairs), "--json", "-")
        done = shell("", *arguments, PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert Path(json.loads(done.stdout)["embeddings"]).name == file.name


@pytest.mark.parametrize(
    "name", ["\x1b[31mred", "two\nlines", "right\u202eleft", "\u2028", "\x00\x07", "no-\udcff-utf8", "a\rb"]
)
def test_names_are_shown_escaped_in_messages_and_tables(name: str, nsface: Run, tmp_path: Path) -> None:
    refused = nsface("pack", f"nowhere/{name}", tmp_path / "store")
    assert refused.status == 2
    assert refused.err.count("\n") == 1
    assert refused.err.strip().isprintable()
    unknown = nsface(name)
    assert unknown.status == 2
    assert unknown.err.strip().isprintable()
    files = [made(tmp_path / f"{i}.npz", [f"{name}{i}{p}/1.jpg" for p in "abc"]) for i in (0, 1)]
    table = nsface("overlap", *files)
    assert table.status == 0
    lines = table.out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert sum(shown(name) in line for line in lines) == 3, "a line for each identity"


def test_commands_speak_through_one_place() -> None:
    """`say`, `note` and `emit` escape; a command that calls click.echo for messages would not."""
    files = Path(nsface.cli.__path__[0]).glob("*.py")
    speaking = {p.name for p in files if re.search(r"err=True|file=sys\.stderr", p.read_text())}
    assert speaking == {"__init__.py", "output.py"}
