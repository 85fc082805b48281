"""Plots as SVG: where points land, and that it is well-formed whatever things are called."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from nsface.report.axis import Axis
from nsface.report.plots import Plot, Series
from nsface.report.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, render

UNIT = Axis("x", 0.0, 1.0)


def plot(*series: Series) -> Plot:
    return Plot("c", "", "", UNIT, UNIT, series)


def path_of(svg: str, kind: str) -> str:
    paths = ElementTree.fromstring(svg).iter("path")
    return next(one.attrib["d"] for one in paths if one.attrib["class"].startswith(kind))


def test_corners_of_the_axes_are_corners_of_the_chart() -> None:
    svg = render(plot(Series("run", [0, 1], [0, 1], 0)))
    left, bottom, right, top = LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, TOP
    assert path_of(svg, "line") == f"M{left:.1f} {bottom:.1f}L{right:.1f} {top:.1f}"


def test_a_step_goes_across_before_it_goes_up() -> None:
    svg = render(plot(Series("run", [0, 0.5, 1], [0, 1, 1], 0, step=True)))
    assert re.fullmatch(r"M[\d.]+ [\d.]+H[\d.]+V[\d.]+H[\d.]+V[\d.]+", path_of(svg, "line"))


def test_the_area_is_closed_and_thresholds_are_a_bar() -> None:
    area = Series("impostors", [0, 0, 0.5, 1], [0, 1, 0.5, 0], 0, step=True)
    svg = render(replace(plot(Series("genuine", [0, 1], [0, 1], 1)), area=area, thresholds=(0.55, 0.6)))
    assert path_of(svg, "area").endswith(f"V{HEIGHT - BOTTOM:.1f}Z")
    bar = next(ElementTree.fromstring(svg).iter("rect"))
    assert float(bar.attrib["x"]) == pytest.approx(LEFT + 0.55 * (WIDTH - LEFT - RIGHT), abs=0.1)
    assert float(bar.attrib["width"]) == pytest.approx(0.05 * (WIDTH - LEFT - RIGHT), abs=0.1)
    one = render(replace(plot(Series("genuine", [0, 1], [0, 1], 1)), thresholds=(0.5, 0.5)))
    assert next(ElementTree.fromstring(one).iter("rect")).attrib["width"] == "1.0", "one threshold is seen"


def test_points_are_drawn_where_they_are_and_only_within_the_axes() -> None:
    svg = render(plot(Series("run", [0, 0.5, 2], [0, 1, 1], 0, points=True)))
    middle = (LEFT + WIDTH - RIGHT) / 2
    assert path_of(svg, "point") == f"M{LEFT:.1f} {HEIGHT - BOTTOM:.1f}h0M{middle:.1f} {TOP:.1f}h0"
    assert "point" not in render(plot(Series("run", [0, 0.5], [0, 1], 0)))


def test_notes_and_the_reference_are_drawn() -> None:
    reference = Series("perfect", [0, 1], [0, 1], 0)
    svg = render(
        replace(plot(Series("run", [0.5], [0.5], 0)), reference=reference, notes=[(0.5, 0.5, "<12>")])
    )
    assert path_of(svg, "axis") == path_of(render(plot(reference)), "line")
    assert "<12>" in ElementTree.fromstring(svg).itertext()


@pytest.mark.parametrize("name", ["c", 'a "b" & <c>', "caf\udce9", "two words"])
def test_a_chart_says_what_it_shows_and_escapes_names(name: str) -> None:
    axis = Axis("<x>", 0, 1)
    one = plot(Series("r", [0.5], [0.5], 7))
    svg = render(replace(one, name=name, description='a <b> & "c"', x=axis))
    root = ElementTree.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert root[0].tag == "title"
    assert root[0].text == 'a <b> & "c"'
    assert root[0].attrib["id"] == root.attrib["aria-labelledby"]
    assert re.fullmatch(r"[\w.%-]+", root.attrib["aria-labelledby"], re.ASCII)
    assert "line s1" in svg, "series beyond the last style begin anew"
