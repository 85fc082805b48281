"""Pairs of faces side by side with their scores: the errors of a system, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from nsface.errors import DataError, listing, shown
from nsface.files import replacing
from nsface.images.decode import decode
from nsface.images.sources import Source, open_source
from nsface.names import Places
from nsface.report.literal import literal
from nsface.results import Verification
from nsface.results.curves import WrongPair

if TYPE_CHECKING:
    from nsface.embeddings.overlap_result import Match

_COLUMN = 8  # matches in a column


@dataclass(frozen=True)
class Tile:
    """Two images (H, W, 3, uint8, RGB) and the text under them."""

    left: npt.NDArray[np.uint8]
    right: npt.NDArray[np.uint8]
    caption: str


def draw_montage(path: Path, columns: Sequence[tuple[str, Sequence[Tile]]]) -> None:
    """Write a PNG with a titled column of tiles for each entry of `columns`.

    Raises:
        NsfaceError: the folder cannot be written.
    """
    rows = max(1, *(len(tiles) for _, tiles in columns))
    figure = Figure(figsize=(3.6 * len(columns), 0.5 + 2.1 * rows), layout="constrained")
    grid = figure.subplots(rows, len(columns), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for column, (title, tiles) in enumerate(columns):
        grid[0, column].set_title("\n".join(map(literal, title.split("\n"))), fontsize=10, fontweight="bold")
        for row, tile in enumerate(tiles):
            axes = grid[row, column]
            axes.imshow(_beside(tile.left, tile.right))
            caption = "\n".join(map(literal, tile.caption.split("\n")))
            axes.text(0.5, -0.03, caption, transform=axes.transAxes, ha="center", va="top", fontsize=7)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def draw_worst_errors(path: Path, images: str, systems: Mapping[str, Verification]) -> None:
    """Write a PNG of the worst errors: two columns for each system, by name, one for each kind of pair.

    Args:
        images: where the images are: a folder, list or tar.

    Raises:
        DataError: no such images, or some that are not there or cannot be decoded.
        NsfaceError: the folder cannot be written.
    """
    source = open_source(images)
    places = Places(source.names)

    def tile(pair: WrongPair) -> Tile:
        sides = (pair.left, pair.right)
        found = {image: place for image in sides if (place := places.find(image)) is not None}
        if missing := [image for image in sides if image not in found]:
            raise DataError(f"{images}: no image {listing(missing)}; give the folder that was extracted")
        left, right = (decode(source.read(found[image]), image) for image in sides)
        short = "\n".join(image.rsplit("/", 1)[-1] for image in sides)
        return Tile(left, right, f"score {pair.score:.3f}\n{short}")

    columns = []
    for name, result in systems.items():
        wrong = (result.curves and result.curves.worst_errors) or ()
        for same, kind in ((True, "same person"), (False, "different people")):
            columns.append((f"{name}:\n{kind}", [tile(pair) for pair in wrong if pair.same == same]))
    draw_montage(path, columns)


def draw_matches(path: Path, matches: Sequence[Match], train: Source, test: Source) -> None:
    """Write a PNG with the two most similar images of every match, in columns of eight.

    Args:
        train, test: the images of both sets.

    Raises:
        DataError: an image of a match is not among them.
        NsfaceError: the file cannot be written.
    """
    sources = [(source, Places(source.names)) for source in (train, test)]
    tiles = []
    for match in matches:
        pair = []
        for (source, places), name in zip(sources, match.images, strict=True):
            index = places.find(name)
            if index is None:
                where = shown(source.location)
                raise DataError(f"{where}: no image {shown(name)}; give the images that were extracted")
            pair.append(source.pixels(index))
        tiles.append(Tile(pair[0], pair[1], f"{match.identity}\n{match.person} {match.score:.3f}"))
    parts = [tiles[start : start + _COLUMN] for start in range(0, len(tiles), _COLUMN)]
    draw_montage(path, [(f"{1 + _COLUMN * i} – {_COLUMN * i + len(p)}", p) for i, p in enumerate(parts)])


def _beside(left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Both images on one white canvas with a gap between."""
    height, gap = max(len(left), len(right)), 4
    canvas = np.full((height, left.shape[1] + gap + right.shape[1], 3), 255, dtype=np.uint8)
    canvas[: len(left), : left.shape[1]] = left
    canvas[: len(right), left.shape[1] + gap :] = right
    return canvas
