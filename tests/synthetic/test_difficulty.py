"""Neither trivial nor hopeless: what pixels alone can tell about who it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from nsface.embeddings import Embeddings
from nsface.protocols.lfw import read_pairs
from nsface.protocols.verification import verify
from nsface.synthetic import write_lfw_set
from nsface.synthetic.identity import TRAINING
from nsface.synthetic.production import Shot, pixels


def test_raw_pixels_are_above_chance_and_far_from_solving_it(tmp_path: Path) -> None:
    made = write_lfw_set(tmp_path, folds=4, pairs=50, people=80)
    trials = read_pairs(made.pairs)
    names = sorted(set(trials.left + trials.right))
    images = np.array([cv2.imread(str(made.images / name)) for name in names])
    raw = images.reshape(len(names), -1).astype(np.float32) - 127.5
    kfold = verify("lfw", Embeddings(names, raw), trials).kfold
    assert kfold is not None
    assert 0.5 < kfold.accuracy < 0.75


def test_images_are_neither_black_nor_white_nor_flat() -> None:
    images = np.stack([pixels(Shot("", TRAINING, i, 1)) for i in range(60)])
    assert 70 < images.mean() < 150
    assert np.median(images.std(axis=(1, 2, 3))) > 25
    assert ((images == 0) | (images == 255)).mean() < 0.15
