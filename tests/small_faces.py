"""Faces of 28 × 24 pixels, a sixteenth of the usual: for tests of trainings, whatever they are of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from nsface.synthetic import write_training_set

HEIGHT, WIDTH = 28, 24


def write_small_faces(folder: Path, identities: int, images: int) -> Path:
    """Write `images` rendered faces of each of so many people into `folder`, made smaller; returns it."""
    for path in write_training_set(folder, identities, images).rglob("*.jpg"):
        face = np.asarray(cv2.imread(str(path)))
        cv2.imwrite(str(path), cv2.resize(face, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))
    return folder
