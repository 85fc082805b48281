"""How every `eval-*` prints: a short table, or one JSON object."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from nsface.errors import shown
from nsface.files import check_folder, check_writable, write_text

Command = TypeVar("Command", bound=Callable[..., Any])


def writable(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """`path`, if it can be written: nobody should learn that it cannot after an hour's work."""
    if path is not None:
        check_writable(path)
    return path


def _json_file(context: click.Context, option: click.Parameter, path: str | None) -> str | None:
    """`path`, if it can be written, and is not an input by mistake."""
    if path is not None and path != "-":
        check_writable(path)
        if os.path.isfile(path) and os.access(path, os.R_OK):
            with open(path, "rb") as file:
                start = file.read(1)
            if start not in (b"", b"{"):
                raise click.BadParameter(f"{path} is there and is no JSON object; --json would overwrite it")
    return path


json_option = click.option(
    "--json",
    "json_to",
    metavar="FILE",
    callback=_json_file,
    help="Write the result as JSON to FILE beside the table; - prints it instead of the table.",
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


def emit(result: dict[str, Any], table: str, json_to: str | None) -> None:
    """Print `table`, or the JSON object alone where `json_to` is `-`; else write it to the file `json_to`."""
    if json_to == "-":
        click.echo(_json(result, sys.stdout.encoding))
        return
    if json_to is not None:
        write_text(json_to, _json(result, "utf-8") + "\n")
    click.echo("\n".join(map(shown, table.split("\n"))))


def _json(result: dict[str, Any], encoding: str | None) -> str:
    """`result` as JSON that `encoding` can hold."""
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
    text = text.encode("utf-8", "backslashreplace").decode()  # of paths that are not UTF-8
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return json.dumps(result, indent=2, allow_nan=False)
    return text


def note(message: str) -> None:
    """Say something beside the result, on standard error."""
    say(f"note: {' '.join(message.split())}")


def say(message: str) -> None:
    """One line on standard error."""
    click.echo(shown(message), err=True)


def percent(share: float | None, digits: int = 2) -> str:
    """A fraction in per cent, or a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def interval(ends: Sequence[float] | None, digits: int = 2) -> str:
    """`0.9 … 1` → `90.00 – 100.00 %`; a dash where there is none."""
    return "–" if ends is None else f"{100 * ends[0]:.{digits}f} – {percent(ends[1], digits)}"


def columns(rows: Iterable[Sequence[str]], indent: str = "  ") -> str:
    """Rows of cells as text, a line a row: the first column to the left, the others to the right."""
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join(
        indent
        + "  ".join(
            [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    )
