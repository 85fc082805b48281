"""A plot as an SVG file of its own: its caption above, its legend below, for light and dark screens."""

from __future__ import annotations

import textwrap
from html import escape
from importlib.resources import files

from nsface.report.charts import caption_of
from nsface.report.plots import Plot
from nsface.report.svg import HEIGHT, STYLES, WIDTH, render

_MARGIN = 12
_LINE = 18  # from one line of text to the next
_CHARACTER = 6.3  # the width of one, on average, and rather too much
_SAMPLE = 36  # of a line in the legend, with the gap behind it
_GAP = 16  # between two entries of the legend
_FONT = 'text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }'


def document(plot: Plot) -> str:
    """The whole content of the file. What it shows is its title, for those who do not see it."""
    style = (files("nsface.report") / "figure.css").read_text(encoding="utf-8")
    caption = textwrap.wrap(caption_of(plot), int((WIDTH - 2 * _MARGIN) / _CHARACTER))
    rows = _legend([one.label for one in plot.series])
    top = _MARGIN + _LINE * len(caption)
    bottom = top + HEIGHT
    whole = bottom + _LINE * len(rows) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {whole}" width="{1.5 * WIDTH:g}" '
        f'height="{1.5 * whole:g}" role="img" aria-label="{escape(plot.description, quote=True)}">',
        f"<style>{style}{_FONT}</style>",
        f'<rect width="{WIDTH}" height="{whole}" style="fill:var(--page)"/>',
    ]
    parts += [
        f'<text x="{_MARGIN}" y="{_MARGIN + _LINE * number + 6}">{escape(line)}</text>'
        for number, line in enumerate(caption)
    ]
    parts.append(render(plot).replace("<svg ", f'<svg y="{top}" width="{WIDTH}" height="{HEIGHT}" ', 1))
    for row, entries in enumerate(rows):
        y = bottom + _LINE * row + 10
        for x, place in entries:
            one = plot.series[place]
            parts.append(f'<path class="line s{one.number % STYLES}" d="M{x:.1f} {y}h28"/>')
            parts.append(f'<text x="{x + _SAMPLE:.1f}" y="{y + 4}">{escape(one.label)}</text>')
    return "".join(parts) + "</svg>\n"


def _legend(labels: list[str]) -> list[list[tuple[float, int]]]:
    """Rows of entries: where each begins, and its place in `labels`; none for a single label."""
    rows: list[list[tuple[float, int]]] = []
    x = float(WIDTH)
    for place, label in enumerate(labels if len(labels) > 1 else []):
        width = _SAMPLE + _CHARACTER * len(label)
        if x + width > WIDTH - _MARGIN:
            rows.append([])
            x = float(_MARGIN)
        rows[-1].append((x, place))
        x += width + _GAP
    return rows
