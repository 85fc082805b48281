"""Packing and inspecting real faces."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from nsface.images.batches.loader import Loader
from nsface.images.batches.sampling import Shuffled
from nsface.images.inspection.result import inspect
from nsface.images.inspection.scan import scan
from nsface.images.sources import open_source
from nsface.images.store.packing import pack
from nsface.ranks import ALONE
from nsface.recipe.schema import load_recipe
from nsface.training.data import decoded, training_set

pytestmark = pytest.mark.real


def test_training_from_the_store_has_the_batches_of_training_from_the_tar(
    real_data: Path, tmp_path: Path
) -> None:
    tar, store = real_data / "train-faces-112x96.tar", tmp_path / "store"
    pack(open_source(str(tar)), store)
    loaders = []
    for location in (tar, store):
        recipe = load_recipe("lfw-small", {"data": str(location)})
        source, chosen, labels, identities = training_set(recipe)
        assert len(identities) == 1_453
        pixels, rows = decoded(recipe, source, chosen, ALONE)
        sampler = Shuffled(len(labels), recipe.batch_size, recipe.seed)
        device = torch.device("cpu")
        loaders.append(Loader(pixels, labels, sampler, recipe.augmentation, recipe.seed, device, rows))
    batches = zip(*(loader.epoch(3) for loader in loaders), strict=True)
    for one, other in islice(batches, 10):  # each draws from the whole set
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_lfw_s_known_errors_are_found(real_data: Path) -> None:
    """Two images that are filed under two people, as the errata of LFW say; nothing is unreadable."""
    source = open_source(str(real_data / "lfw-112x96.tar"))
    result = inspect(source, scan(source)).to_json()
    groups = {tuple(group) for group in result["near_duplicates"]}
    assert ("Bart_Hendricks/Bart_Hendricks_0001.jpg", "Ricky_Ray/Ricky_Ray_0001.jpg") in groups
    assert ("Emmy_Rossum/Emmy_Rossum_0001.jpg", "Eva_Amurri/Eva_Amurri_0001.jpg") in groups
    assert result["duplicates_across_identities"] == 2
    assert result["unreadable"] == []
    assert result["images_per_identity"] == {"min": 1, "median": 1.0, "max": 530}
    assert result["alignment"] > 0.4
    assert not result["looks_swapped"]


def test_unaligned_faces_have_less_in_common(real_data: Path) -> None:
    source = open_source(str(real_data / "lfw-deepfunneled-fold1.tar"))
    scanned = scan(source)
    assert scanned.alignment < 0.4
    assert scanned.mean_face.shape == (250, 250, 3)
    assert np.ptp(scanned.mean_face) > 30
