"""`results.md`: what a table has found, in Markdown, with its figures as SVG files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from nsface.errors import shown
from nsface.report.plots import Plot
from nsface.reproduce import content
from nsface.reproduce.findings import claims, doubts, lead
from nsface.reproduce.outcomes import Reproduction
from nsface.reproduce.tables import SOURCE

_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|#~"})


def markdown(
    found: Reproduction, figures: Sequence[tuple[str, Sequence[Plot]]], folder: str, command: str | None
) -> str:
    """The page.

    Args:
        figures: sections of figures, by title.
        folder: where their files are, from the page.
        command: what made it.
    """
    parts = [
        f"# {_plain(content.title_of(found))}",
        " ".join(map(_plain, found.about)),
        *(f"**{_plain(sentence)}**" for sentence in lead(found)),
        _items(claims(found)),
        _table(content.plain_rows(found)),
        _plain(content.caption(found, SOURCE)),
        "## What this does not show",
        _items(doubts(found)),
        "## Errors by seed",
        "Per cent of the test images, after the last step.",
        _table(content.by_seed(found)),
    ]
    if found.table.others:
        parts += [
            "## Published errors of other systems",
            f"As collected by {SOURCE}; not measured by nsface.",
            _table([["system", "error, %"], *content.others(found)]),
        ]
    for title, plots in figures:
        parts.append(f"## {title}")
        for plot in plots:
            text = _plain(plot.description)
            parts.append(f"![{text}]({quote(folder)}/{quote(plot.name)}.svg)")
    parts += [
        "## Arms",
        "What each arm has in its recipe that its baseline has not. All else is the same, and so are the "
        "seeds, the order of the images and their augmentation.",
        _table([["arm", "recipe"], *map(list, content.differing(found))]),
    ]
    if wrong := content.troubles(found):
        parts += ["## What went wrong", _items(wrong)]
    rows = [["what", "value"], *map(list, content.origin(found, command))]
    parts += ["## Where the numbers come from", _table(rows)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _plain(text: str) -> str:
    """`text` without characters that Markdown would read as marks."""
    return shown(text).translate(_SPECIAL)


def _items(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


def _table(rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, others to the right, unless there are two columns of words."""
    head, *body = [[_plain(cell) for cell in row] for row in rows]
    words = len(head) == 2 and any(len(row[1]) > 12 for row in body)
    rule = [":--", *([":--"] if words else ["--:"] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))
