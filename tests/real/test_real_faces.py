"""The main job's parts on real faces and the official list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nsface.images.pixels import load_pixels
from nsface.images.sources import open_source
from nsface.protocols.lfw import read_pairs
from nsface.recipe.schema import load_recipe
from nsface.training.data import training_set

pytestmark = pytest.mark.real
IN_LFW = Path(__file__).resolve().parents[2] / "docs" / "results" / "in-lfw.txt"


def test_lfw_is_whole_and_in_order(real_data: Path) -> None:
    source = open_source(str(real_data / "lfw-112x96.tar"))
    assert len(source) == 13_233
    assert len(set(source.identities)) == 5_749
    assert source.names[0] == "AJ_Cook/AJ_Cook_0001.jpg"
    assert list(source.names) == sorted(source.names)
    pixels = np.asarray(load_pixels(source, range(0, len(source), 50), 112, 96))
    faces = pixels[:, 20:90, 15:80].mean(axis=(0, 1, 2))
    assert faces[0] > faces[1] > faces[2], "skin is redder than blue: the channels are in order"


def test_every_image_of_the_official_pairs_is_there(real_data: Path) -> None:
    names = set(open_source(str(real_data / "lfw-112x96.tar")).names)
    pairs = read_pairs(real_data / "lists" / "pairs.txt")
    assert len(pairs.same) == 6_000
    assert set(pairs.left) | set(pairs.right) <= names


def test_identities_are_counted_from_the_data_and_the_known_overlap_is_left_out(real_data: Path) -> None:
    data = str(real_data / "train-faces-112x96.tar")
    recipe = load_recipe("lfw-small", {"data": data, "exclude": str(IN_LFW)})
    source, chosen, labels, identities = training_set(recipe)
    assert len(source) == 14_144
    assert len(identities) == 1_453 - 4
    assert not set(recipe.exclude) & set(identities)
    assert np.array_equal(np.unique(labels), np.arange(len(identities)))
    folders = source.identities
    assert [folders[index] for index in chosen] == [identities[label] for label in labels]
