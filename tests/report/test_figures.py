"""Plots for print: the same data as on the page, nothing covered, names as they are, readable in grey."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from nsface.report import svg
from nsface.report.axis import Axis
from nsface.report.figures import draw, draw_figures, legend, save, style
from nsface.report.plots import Plot, Series, System, det_plot, result_plots, roc_plot
from nsface.results import BlufrRates, Identification, TemplateVerification, Verification
from nsface.results.curves import Curves, DetCurve, DirCurve, Histogram, RocCurve
from nsface.results.measures import Bin, Calibration, Fold

ROC = RocCurve((0.0, 0.01, 1.0), (0.2, 0.6, 1.0))
SCORES = Histogram(-1.0, 1.0, (0, 1, 3), (4, 0, 1))
PAIRS = Curves(roc=ROC, histogram=SCORES, det=DetCurve((0.0, 0.1, 1.0), (0.5, 0.1, 0.0)))
SEARCHED = Curves(cmc=(0.5, 0.75), dir_far=DirCurve((0.0, 1.0), (0.25, 0.5)))
RATED = Calibration("logistic", 0.021, (Bin(4, 0.55, 0.5), Bin(0, 0.0, 0.0), Bin(9, 0.95, 1.0)))
AXES = [
    Axis("x", -1.0, 3.0),
    Axis("FAR", 1e-4, 1.0, log=True, per_cent=True),
    Axis("FMR", 1e-5, 0.8, normal=True, per_cent=True),
]


def verification(protocol: str = "lfw", calibration: Calibration | None = None) -> Verification:
    return Verification(
        protocol=protocol,
        pairs=9,
        genuine=4,
        similarity="cosine",
        accuracy=0.9,
        standard_error=0.01,
        confidence_interval=(0.8, 1.0),
        folds=(Fold(accuracy=0.9, threshold=0.3, pairs=4), Fold(accuracy=0.9, threshold=0.4, pairs=5)),
        auc=0.9,
        eer=0.1,
        tar_at_far=(),
        calibration=calibration,
    )


def drawn(folder: Path) -> set[str]:
    """The names of the figures, each of which is there as PNG and SVG."""
    names = {path.stem for path in folder.iterdir()}
    assert {path.name for path in folder.iterdir()} == {
        f"{n}.{kind}" for n in names for kind in ("png", "svg")
    }
    return names


def test_figures_of_one_system(tmp_path: Path) -> None:
    draw_figures(tmp_path, {"a": verification(calibration=RATED)}, {"a": PAIRS})
    assert drawn(tmp_path) == {"roc", "det", "scores", "reliability"}


def test_figures_of_two_systems(tmp_path: Path) -> None:
    draw_figures(tmp_path, {"x/a": verification(), "b": verification()}, {"x/a": PAIRS, "b": PAIRS})
    assert drawn(tmp_path) == {"roc", "det", "scores-x-a", "scores-b"}


def test_figures_of_templates(tmp_path: Path) -> None:
    draw_figures(
        tmp_path, {"a": TemplateVerification(tar_at_far=())}, {"a": Curves(roc=ROC, histogram=SCORES)}
    )
    assert drawn(tmp_path) == {"roc", "det", "scores"}


def test_figures_of_trials(tmp_path: Path) -> None:
    result = Identification(protocol="lfw-identification")
    draw_figures(tmp_path / "ident", {"lfw": result}, {"trial 1": SEARCHED, "trial 2": SEARCHED})
    assert drawn(tmp_path / "ident") == {"cmc", "dir-far", "det-open-set"}
    opened = {"trial 1": Curves(dir_far=SEARCHED.dir_far)}
    draw_figures(tmp_path / "blufr", {"lfw": BlufrRates(tar_at_far=())}, opened)
    assert drawn(tmp_path / "blufr") == {"dir-far", "det-open-set"}


def path_data(d: str) -> list[tuple[float, float]]:
    """The corners of an SVG path, as shares of both axes from 0 to 1."""
    across, up, corners = 0.0, 0.0, []
    for letter, numbers in re.findall(r"([MLHV])([\d. ]+)", d):
        values = [float(number) for number in numbers.split()]
        if letter != "V":
            across = values[0]
        if letter != "H":
            up = values[-1]
        corners.append((across, up))
    width, height = svg.WIDTH - svg.LEFT - svg.RIGHT, svg.HEIGHT - svg.TOP - svg.BOTTOM
    return [((a - svg.LEFT) / width, (svg.HEIGHT - svg.BOTTOM - b) / height) for a, b in corners]


@given(st.data(), st.sampled_from(AXES), st.sampled_from(AXES), st.booleans(), st.booleans())
def test_both_renderers_draw_the_same_data(
    data: st.DataObject, x: Axis, y: Axis, step: bool, points: bool
) -> None:
    within = st.tuples(*(st.floats(axis.low, axis.high) for axis in (x, y)))
    pairs = data.draw(st.lists(within, min_size=1, max_size=15))
    series = Series("run", [a for a, _ in pairs], [b for _, b in pairs], 0, step, points)
    plot = Plot("p", "title", "", x, y, [series])
    axes = Figure().add_subplot()
    draw(axes, plot)
    line, *dots = axes.get_lines()
    assert line.get_xydata().tolist() == [list(pair) for pair in pairs]  # type: ignore[union-attr]
    assert line.get_drawstyle() == ("steps-post" if step else "default")
    root = ElementTree.fromstring(svg.render(plot))
    paths = {one.attrib["class"]: one.attrib["d"] for one in root.iter("path")}
    corners = path_data(paths["line s0"])
    if step:
        assert all(b[1] == pytest.approx(a[1]) for a, b in zip(corners[::2], corners[1::2], strict=False))
        corners = corners[::2]
    expected = [(x.place(a), y.place(b)) for a, b in pairs]
    assert np.allclose(corners, expected, atol=0.0003)
    placed = (axes.transScale + axes.transLimits).transform(pairs)
    margin = 0.01 if y is AXES[0] else 0.0  # above a linear axis
    assert np.allclose(placed * [1, 1 + margin], expected, atol=1e-6)
    assert [len(one.get_xdata()) for one in dots] == [len(pairs)] * points  # type: ignore[arg-type]
    if points:
        assert np.allclose(path_data(paths["point s0"].replace("h0", "")), expected, atol=0.0003)
    assert [text.get_text() for text in axes.get_xticklabels()] == [x.text(tick) for tick in x.ticks()]


def boxes(figure: Figure) -> tuple[Bbox, Bbox, list[list[Bbox]]]:
    """Where the axes with all that belongs to them, the legend, and the ticks of each axis are drawn."""
    figure.draw_without_rendering()
    (axes,) = figure.axes
    ticks = [
        [label.get_window_extent() for label in axis.get_ticklabels()] for axis in (axes.xaxis, axes.yaxis)
    ]
    return axes.get_tightbbox(), figure.legends[0].get_window_extent(), ticks  # type: ignore[return-value]


@pytest.mark.parametrize("build", [roc_plot, det_plot])
@pytest.mark.parametrize("far", [0.1, 1e-3, 1e-6, 1e-8])
@pytest.mark.parametrize("names", [["a"], [f"trial {i}" for i in range(1, 11)], ["x" * 150, "y" * 40]])
def test_nothing_covers_anything_else(
    build: Callable[..., Plot | None], far: float, names: Sequence[str]
) -> None:
    curves = Curves(roc=RocCurve((0.0, far, 1.0), (0.2, 0.6, 1.0)))
    plot = build([System(number, name, verification(), curves) for number, name in enumerate(names)])
    assert plot
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    legend(figure, draw(figure.add_subplot(), plot))
    axes, below, ticks = boxes(figure)
    assert below.y1 <= axes.y0
    assert 0 <= below.x0 < below.x1 <= figure.bbox.width
    for labels in ticks:
        assert all(not a.overlaps(b) for i, a in enumerate(labels) for b in labels[:i])


@pytest.mark.parametrize("name", ["$\\frac$", "_run", "p\x1b[31m", "a$b$c", "\\$x", "caf\udce9", "$$"])
def test_names_are_drawn_as_they_are(name: str, tmp_path: Path) -> None:
    """In PNG and SVG: in the title, in the legend and as file name."""
    draw_figures(tmp_path, {name: verification(name), "b": verification(name)}, {name: PAIRS, "b": PAIRS})
    assert drawn(tmp_path) == {"roc", "det", "scores-b", f"scores-{name}"}


def test_fifteen_systems_differ_without_colour() -> None:
    marks = {json.dumps([style(i)["linestyle"], style(i)["linewidth"]]) for i in range(15)}
    assert len(marks) == 15
    assert np.isfinite([style(i)["linewidth"] for i in range(40)]).all()


def test_figures_are_the_same_each_time(tmp_path: Path) -> None:
    plots = result_plots([System(0, "a", verification(), Curves(roc=ROC))])
    assert [plot.name for plot in plots] == ["roc", "det"]
    for plot in plots:
        first, second = (tmp_path / folder / f"{plot.name}.png" for folder in ("a", "b"))
        save(first.parent, plot)
        save(second.parent, plot)
        assert first.read_bytes() == second.read_bytes()
