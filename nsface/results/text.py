"""Results as text: per cent, intervals, and columns that fit the width of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from nsface.errors import shown

WIDTH = 80
LEAST_P = 1e-300  # a smaller p value may have become 0


def percent(share: float | None, digits: int = 2) -> str:
    """A fraction in per cent, or a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def interval(ends: Sequence[float] | None, digits: int = 2) -> str:
    """`0.9 … 1` → `90.00 – 100.00 %`; a dash where there is none."""
    return "–" if ends is None else f"{100 * ends[0]:.{digits}f} – {percent(ends[1], digits)}"


def mean_and_spread(value: float | None, std: float | None) -> str:
    """`99.17 % ± 0.12 %`, or the mean alone where nothing is known of its spread."""
    return percent(value) + (f" ± {percent(std)}" if std is not None else "")


def p_value(p: float | None) -> str:
    """A p value to three digits, or a dash where there is none; one too small for a number as a bound."""
    if p is None:
        return "–"
    return f"{p:.3g}" if p >= LEAST_P else f"< {LEAST_P:.0e}"


def tar_at(far: float) -> str:
    """The name of TAR at a FAR: `TAR at FAR 0.1 %`."""
    return f"TAR at FAR {100 * far:g} %"


def dir_at(far: float) -> str:
    """The name of DIR at rank 1 and a FAR: `DIR at FAR 1 %`."""
    return f"DIR at FAR {100 * far:g} %"


def columns(rows: Iterable[Sequence[str]], indent: str = "  ", width: int = WIDTH) -> str:
    """Cells as text: the first column to the left, the others to the right.

    Where a line would be wider than `width`, the columns that do not fit stand below the others, under their
    own titles and with the first column again.
    """
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    parts = []
    for group in _groups(widths, width - len(indent)):
        for row in cells:
            rest = "".join("  " + row[place].rjust(widths[place]) for place in group)
            parts.append(indent + row[0].ljust(widths[0]) + rest)
    return "\n".join(parts)


def _groups(widths: Sequence[int], width: int) -> list[list[int]]:
    """The places of all columns but the first, in groups that fit beside it."""
    groups: list[list[int]] = [[]]
    left = width - widths[0]
    for place in range(1, len(widths)):
        if groups[-1] and left < widths[place] + 2:
            groups.append([])
            left = width - widths[0]
        groups[-1].append(place)
        left -= widths[place] + 2
    return groups


def named_values(rows: Sequence[tuple[str, str]], width: int = WIDTH) -> str:
    """A line for each name and its value; what is too long goes on below its beginning."""
    longest = max(len(name) for name, _ in rows)
    return "\n".join(wrapped(f"  {name.ljust(longest)}  {value}", width, longest + 4) for name, value in rows)


def wrapped(line: str, width: int = WIDTH, indent: int = 4) -> str:
    """`line` as it is where it fits; else broken between words, the rest moved `indent` to the right."""
    if len(line) <= width:
        return line
    start = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.lstrip(),
        width,
        initial_indent=start,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
