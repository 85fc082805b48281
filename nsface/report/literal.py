"""Names of files and runs as they stand in figures."""

from __future__ import annotations

from nsface.errors import shown


def literal(name: object) -> str:
    r"""`name` for Matplotlib to draw as it is, what is not printable escaped.

    Between dollars Matplotlib reads formulas, and fails on those that are none; a legend leaves out labels
    that begin with an underscore.

    Example:
        >>> literal(r"$\frac$")
        '\\$\\frac\\$'
    """
    text = shown(name).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
