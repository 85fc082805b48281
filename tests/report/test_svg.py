"""Charts: where points land, what the ticks say, and that it is well-formed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from nsface.report.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Series, histogram, line_chart

UNIT = Axis("x", 0.0, 1.0)


def element(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def path_of(svg: str, kind: str) -> str:
    return next(e.attrib["d"] for e in element(svg).iter("path") if e.attrib["class"].startswith(kind))


def test_corners_of_the_axes_are_corners_of_the_chart() -> None:
    svg = line_chart("c", "a line", UNIT, UNIT, [Series("run", [0, 1], [0, 1], 0)])
    left, bottom, right, top = LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, TOP
    assert path_of(svg, "line") == f"M{left:.1f} {bottom:.1f}L{right:.1f} {top:.1f}"


def test_a_step_goes_across_before_it_goes_up() -> None:
    svg = line_chart("c", "a step", UNIT, UNIT, [Series("run", [0, 0.5, 1], [0, 1, 1], 0, step=True)])
    assert re.fullmatch(r"M[\d.]+ [\d.]+H[\d.]+V[\d.]+H[\d.]+V[\d.]+", path_of(svg, "line"))


def test_logarithmic_axis() -> None:
    axis = Axis("FAR", 1e-4, 1.0, log=True, per_cent=True)
    assert axis.place(1e-2) == pytest.approx(0.5)
    assert axis.place(0.0) == 0.0
    assert axis.place(7.0) == 1.0
    assert [axis.text(tick) for tick in axis.ticks()] == ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"]


def test_ticks_are_round_and_within_the_axis() -> None:
    assert Axis("step", 0.0, 675.0).ticks() == [0, 200, 400, 600]
    assert [Axis("", 0.0, 1.0, per_cent=True).text(v) for v in (0.0, 0.2)] == ["0 %", "20 %"]


def test_histogram_heights_are_proportional_to_the_counts() -> None:
    svg = histogram("h", "scores", Axis("score", -1.0, 1.0), ([4, 2], [1, 0]), [0.1, 0.2], 1)
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path_of(svg, "line"))]
    base = heights[0]
    assert base == heights[-1] == HEIGHT - BOTTOM
    assert (base - heights[1]) / (base - heights[3]) == pytest.approx(2, abs=0.01)
    assert heights[1] == heights[2]
    bar = next(e for e in element(svg).iter("rect"))
    assert float(bar.attrib["x"]) == pytest.approx(LEFT + 0.55 * (WIDTH - LEFT - RIGHT), abs=0.1)


def test_a_chart_says_what_it_shows_and_escapes_names() -> None:
    svg = line_chart("c", 'a <b> & "c"', Axis("<x>", 0, 1), UNIT, [Series("r", [0.5], [0.5], 7)])
    root = element(svg)
    assert root.attrib["role"] == "img"
    assert root[0].tag == "title"
    assert root[0].text == 'a <b> & "c"'
    assert root[0].attrib["id"] == root.attrib["aria-labelledby"]
    assert "line s1" in svg, "series beyond the last style begin anew"
    assert "h-6" in path_of(svg, "line"), "a single point is seen"
