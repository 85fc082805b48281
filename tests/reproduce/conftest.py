"""A made set of three classes, and the settings of a training of it that takes a fraction of a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.reproduce.small import SETTINGS


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 16×16 images, each a pattern with noise; 8 to train on and 5 to test on of each."""
    folder, draws = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    for name in ("bird", "cat", "dog"):
        pattern = cv2.resize(draws.uniform(0, 255, (3, 3, 3)), (16, 16))
        for part, count in (("train", 8), ("test", 5)):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                image = (pattern + draws.normal(0, 60, pattern.shape)).clip(0, 255).astype(np.uint8)
                cv2.imwrite(str(folder / part / name / f"{number}.png"), image)
    return folder


@pytest.fixture
def given(images: Path) -> dict[str, Any]:
    return {"data": str(images), **SETTINGS}
