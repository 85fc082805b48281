"""What commands print: a short table or one JSON object on standard output, notes on standard error."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nsface.errors import shown
from nsface.files import check_folder, check_writable, write_text

if TYPE_CHECKING:
    from nsface.results import Result

Command = TypeVar("Command", bound=Callable[..., Any])


def writable(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """`path`, if it can be written: nobody should learn that it cannot after an hour's work."""
    if path is not None:
        check_writable(path)
    return path


def _not_an_input(option: click.Parameter, path: str | os.PathLike[str], begins: bytes, kind: str) -> None:
    """Check that `path` can be written, and that a file that is there is of the `kind` to be written: another
    is an input, given by mistake."""
    check_writable(path)
    if os.path.isfile(path) and os.access(path, os.R_OK):
        with open(path, "rb") as file:
            start = file.read(1)
        if start not in (b"", begins):
            name = max(option.opts, key=len)
            raise click.BadParameter(f"{shown(path)} is there and is no {kind}; {name} would overwrite it")


def json_file(
    context: click.Context, option: click.Parameter, path: str | os.PathLike[str] | None
) -> str | os.PathLike[str] | None:
    """`path`, if it can be written, and is not an input by mistake; `-` is standard output."""
    if path is not None and path != "-":
        _not_an_input(option, path, b"{", "JSON object")
    return path


def page_file(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """As `json_file`, for a page of HTML."""
    if path is not None:
        _not_an_input(option, path, b"<", "HTML page")
    return path


json_option = click.option(
    "--json",
    "json_to",
    metavar="FILE",
    callback=json_file,
    help="Also write the result as JSON to FILE; with -, print JSON instead of the table.",
)


def output_option(meaning: str, callback: Callable[..., Any] | None = None) -> Callable[[Command], Command]:
    """Give a command `-o FILE`, the path `output`, which it must be given.

    Args:
        meaning: its help.
        callback: what checks the path, such as `writable`.
    """
    path = click.Path(path_type=Path)
    return click.option(
        "-o", "--output", metavar="FILE", type=path, callback=callback, required=True, help=meaning
    )


def _folder(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None:
        check_folder(path)
    return path


plots_option = click.option(
    "--plots",
    type=click.Path(path_type=Path),
    metavar="DIR",
    callback=_folder,
    help="Draw figures into DIR, as PNG and SVG.",
)


def emit_result(result: Result, json_to: str | None) -> None:
    """Print the table of `result` in the width of the terminal, or its JSON as `emit` does."""
    _emit(result.to_json(), result.table(terminal_width()), json_to)


def emit(result: dict[str, Any], table: str, json_to: str | None) -> None:
    """Print `table`, or the JSON object alone where `json_to` is `-`; else write it to the file `json_to`."""
    from nsface.results.values import plain

    _emit(plain(result), table, json_to)


def terminal_width() -> int:
    """Characters in a line: what COLUMNS says, or the terminal, or 80."""
    return shutil.get_terminal_size().columns


def _emit(content: dict[str, Any], table: str, json_to: str | None) -> None:
    if json_to is not None:
        emit_json(content, json_to)
    if json_to != "-":
        emit_lines(table)


def emit_json(content: dict[str, Any], json_to: str) -> None:
    """Print the JSON object where `json_to` is `-`; else write it to the file `json_to`."""
    if json_to == "-":
        click.echo(_json(content, sys.stdout.encoding))
    else:
        write_text(json_to, _json(content, "utf-8") + "\n")


def emit_lines(*parts: str) -> None:
    """Print the lines of `parts`, at once."""
    click.echo("\n".join(shown(line) for part in parts for line in part.split("\n")))


def emit_line(result: dict[str, Any]) -> None:
    """Print the JSON object in one line, at once."""
    click.echo(_json(result, sys.stdout.encoding, indent=None))


def _json(result: dict[str, Any], encoding: str | None, indent: int | None = 2) -> str:
    """`result` as JSON that `encoding` can hold."""
    text = json.dumps(result, indent=indent, ensure_ascii=False, allow_nan=False)
    text = text.encode("utf-8", "backslashreplace").decode()  # of paths that are not UTF-8
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return json.dumps(result, indent=indent, allow_nan=False)
    return text


def command_line() -> str:
    """The present command, as one would type it."""
    return shlex.join(["nsface", *click.get_current_context().obj.line])


def note(message: str) -> None:
    """Say something beside the result, on standard error."""
    say(f"note: {' '.join(message.split())}")


def note_all(sentences: Iterable[str]) -> None:
    """Say each of `sentences`, on standard error."""
    for sentence in sentences:
        note(sentence)


def say(message: str) -> None:
    """One line on standard error."""
    click.echo(shown(message), err=True)
