"""Crops of another template: padded or cut so that the five points stand where the network expects them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import nsface
from nsface.errors import DataError
from nsface.images.alignment.similarity import warp
from nsface.images.alignment.templates import template
from nsface.images.fitting import Fit
from nsface.images.sources import open_source
from nsface.preprocessing import Preprocessing
from tests.tiny_model import write_tiny_model

ARCFACE = Preprocessing(height=112, width=112, template="arcface")
SPHEREFACE = Preprocessing()
PHOTOGRAPH = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
POINTS = template("arcface").points * 1.5 + 40


def test_fitted_crop_is_the_crop_of_the_other_template() -> None:
    """The same photograph aligned to both templates: they agree wherever both have pixels."""
    wide, narrow = (warp(PHOTOGRAPH, POINTS, template(name)) for name in ("arcface", "sphereface"))
    np.testing.assert_array_equal(Fit(SPHEREFACE)(wide), narrow)
    padded = Fit(ARCFACE)(narrow)
    np.testing.assert_array_equal(padded[:, 8:-8], wide[:, 8:-8])
    assert not np.delete(padded, np.s_[8:-8], axis=1).any()


@pytest.mark.parametrize("shape", [(112, 97, 3), (112, 100, 3), (96, 112, 3), (224, 192, 3), (112, 112, 3)])
def test_other_sizes_stay(shape: tuple[int, ...]) -> None:
    fit = Fit(ARCFACE)
    pixels = np.zeros(shape, np.uint8)
    assert fit(pixels) is pixels
    assert (fit.meta(), fit.notes("x")) == ({}, [])


@pytest.mark.parametrize("name", ["sphereface", "eyes in the corners"])
def test_input_of_an_unknown_template_takes_its_own_size_only(name: str) -> None:
    narrow = np.zeros((112, 96, 3), np.uint8)
    assert Fit(Preprocessing(height=112, width=112, template=name))(narrow) is narrow


def test_extraction_fits_says_and_records_it(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.safetensors", height=112, width=112, template="arcface")
    narrow = np.random.default_rng(1).integers(0, 256, (112, 96, 3), dtype=np.uint8)
    (tmp_path / "faces").mkdir()
    cv2.imwrite(str(tmp_path / "faces" / "a.png"), narrow[..., ::-1])
    made = nsface.extract(model, open_source(tmp_path / "faces"), device="cpu", precision="fp32")
    expected = nsface.load_model(model, device="cpu", precision="fp32").embed(
        np.pad(narrow, ((0, 0), (8, 8), (0, 0)))
    )
    np.testing.assert_array_equal(made.embeddings.vectors, expected)
    assert made.embeddings.meta["fitted_from"] == ["112x96"]
    assert "padded by 8 black columns on either side to 112×112" in made.notes[0]


def test_photographs_are_still_refused(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.safetensors", height=112, width=112, template="arcface")
    (tmp_path / "faces").mkdir()
    cv2.imwrite(str(tmp_path / "faces" / "a.png"), PHOTOGRAPH)
    with pytest.raises(DataError, match="nsface align"):
        nsface.extract(model, open_source(tmp_path / "faces"), device="cpu")
