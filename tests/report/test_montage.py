"""Montages of worst errors: the images of each wrong pair, and a clear word where one is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from nsface.errors import DataError
from nsface.report.montage import draw_worst_errors
from nsface.results.curves import Curves, WrongPair
from tests.report.test_figures import verification

WORST = (WrongPair("a/1.jpg", "a/2.png", True, -0.5), WrongPair("a/1.jpg", "$b/1.jpg", False, 0.9))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("a/1.jpg", "a/2.jpg", "$b/1.jpg"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((20, 16, 3), 90, np.uint8))
    return tmp_path / "images"


def test_each_system_has_a_column_for_each_kind_of_error(images: Path, tmp_path: Path) -> None:
    wrong = replace(verification(), curves=Curves(worst_errors=WORST))
    widths = []
    for systems in ({"one": wrong}, {"one": wrong, "$\\frac$": wrong, "right": verification()}):
        draw_worst_errors(tmp_path / "worst.png", str(images), systems)
        drawn = cv2.imread(str(tmp_path / "worst.png"))
        assert drawn is not None
        widths.append(drawn.shape[1])
    assert widths[1] == pytest.approx(3 * widths[0], rel=0.01)


def test_images_that_are_not_there_are_named(images: Path, tmp_path: Path) -> None:
    (images / "a" / "2.jpg").unlink()
    wrong = replace(verification(), curves=Curves(worst_errors=WORST))
    with pytest.raises(DataError, match=r"images: no image a/2\.png; give the folder that was extracted"):
        draw_worst_errors(tmp_path / "worst.png", str(images), {"one": wrong})
    assert not (tmp_path / "worst.png").exists()
