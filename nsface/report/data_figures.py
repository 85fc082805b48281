"""Figures of a set of images: images per identity, the mean face, samples, and images that look the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from nsface.errors import DataError
from nsface.files import make_folder, replacing
from nsface.images.alignment.templates import template
from nsface.images.sources import Source
from nsface.report.figures import write
from nsface.report.montage import Tile, draw_montage

ROWS, COLUMNS = 8, 12
PAIRS = 10
_GAP = 2
_SCALE = 4
_TICKS = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]


def draw_inspection(
    folder: Path, source: Source, result: dict[str, Any], mean_face: npt.NDArray[np.uint8]
) -> None:
    """Write the figures of an inspected set into `folder`.

    `images-per-identity` (PNG and SVG), `mean-face.png` (pixel for pixel), `alignment.png` (the same, larger,
    without and with the five points of the template of its size: crosses on eyes, nose and mouth mean that
    the faces are aligned to it), `contact-sheet.png` (96 images, evenly spaced) and, where there are some,
    `duplicates.png` (the first pairs of equal and similar images).

    Args:
        result: `Inspection.to_json()`.

    Raises:
        NsfaceError: the folder cannot be made or written.
    """
    make_folder(folder)
    _draw_histogram(folder, result)
    _write_png(folder / "mean-face.png", mean_face)
    _write_png(folder / "alignment.png", marked(mean_face))
    _write_png(folder / "contact-sheet.png", contact_sheet(source, result, *mean_face.shape[:2]))
    columns = [
        (title, [_tile(source, group) for group in result[key][:PAIRS]])
        for title, key in (("equal", "duplicates"), ("similar", "near_duplicates"))
        if result[key]
    ]
    if columns:
        draw_montage(folder / "duplicates.png", columns)


def contact_sheet(source: Source, result: dict[str, Any], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Images evenly spaced over the set, each fitted into `height` × `width`, on white: uint8, RGB."""
    unreadable = {fault["name"] for fault in result["unreadable"]}
    usable = [index for index, name in enumerate(source.names) if name not in unreadable]
    chosen = np.unique(np.linspace(0, len(usable) - 1, ROWS * COLUMNS).round().astype(int)).tolist()
    cell = (height + _GAP, width + _GAP)
    rows = -(-len(chosen) // COLUMNS)
    sheet = np.full((rows * cell[0], min(COLUMNS, len(chosen)) * cell[1], 3), 255, np.uint8)
    for place, position in enumerate(chosen):
        image = _fitted(source.pixels(usable[position]), height, width)
        top, left = place // COLUMNS * cell[0], place % COLUMNS * cell[1]
        sheet[top : top + len(image), left : left + image.shape[1]] = image
    return sheet


def marked(mean_face: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The mean face four times as large, and beside it with the five points of its size's template."""
    height, width = mean_face.shape[:2]
    large = cv2.resize(mean_face, (_SCALE * width, _SCALE * height), interpolation=cv2.INTER_CUBIC)
    crossed = large.copy()
    try:
        points = template(f"{height}x{width}").points
    except DataError:  # no face fits into this shape: there is nothing to mark
        points = np.empty((0, 2))
    for x, y in np.round((points + 0.5) * _SCALE - 0.5).astype(int).tolist():
        cv2.drawMarker(crossed, (x, y), (0, 255, 0), cv2.MARKER_CROSS, 5 * _SCALE)
    return np.asarray(np.hstack([large, crossed]), np.uint8)


def _fitted(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    scale = min(height / image.shape[0], width / image.shape[1])
    if scale == 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _tile(source: Source, group: Sequence[str]) -> Tile:
    left, right = (source.pixels(source.names.index(name)) for name in group[:2])
    return Tile(left, right, f"{group[0]}\n{group[1]}")


def _draw_histogram(folder: Path, result: dict[str, Any]) -> None:
    histogram = {int(images): n for images, n in result["histogram"].items()}
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    if histogram:
        images, identities = list(histogram), list(histogram.values())
        edges = np.unique(np.geomspace(min(images), max(images) + 1, 40).round())
        axes.hist(images, edges.tolist(), weights=identities, color="0.35")
        axes.set_xscale("log")
        if max(identities) > 100 * min(identities):
            axes.set_yscale("log")  # else the few identities with many images cannot be seen
        ticks = [tick for tick in _TICKS if min(images) <= tick <= max(images) + 1]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
    axes.set(
        xlabel="images",
        ylabel="identities",
        title=f"Images per identity, {result['identities']:,} identities",
    )
    axes.grid(which="major", color="0.85", linewidth=0.6)
    axes.set_axisbelow(True)
    for suffix in ("png", "svg"):
        write(figure, folder / f"images-per-identity.{suffix}")


def _write_png(path: Path, image: npt.NDArray[np.uint8]) -> None:
    done, data = cv2.imencode(".png", image[..., ::-1])
    if not done:
        raise DataError(f"{path}: the image cannot be encoded")
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())
