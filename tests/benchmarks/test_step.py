"""The plain loop trains the network that nsface trains, and both are timed."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from step import PLAIN, distance, main, small

pytest.importorskip("PIL")


def test_every_way_trains(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, image in enumerate(rng.integers(0, 256, (8, 112, 96, 3), dtype=np.uint8)):
        (tmp_path / str(number)).mkdir()
        cv2.imwrite(str(tmp_path / str(number) / "face.png"), image)
    options = "--network light-resnet --images 8 --batch-size 4 --workers 0 --pairs 1 --seconds 0.1"
    result = CliRunner().invoke(main, ["speed", str(tmp_path), *options.split(), "--processor-time"])
    assert result.exit_code == 0, result.output
    rows = [line.split(" | ") for line in result.output.splitlines() if line.startswith("| light-resnet")]
    assert [row[1] for row in rows] == [PLAIN, "nsface fp32", "nsface bf16"]
    assert rows[0][-1] == "1.00 |"
    assert all(float(row[2]) > 0 for row in rows)


def test_the_distance_of_trained_weights() -> None:
    trainer = small("light-resnet", "fp32", 16, "off")
    before = deepcopy(trainer.network.state_dict())
    assert distance(trainer.network.state_dict(), before) == 0
    next(trainer.run())
    moved = {name: trainer.network.state_dict()[name] - before[name] for name in before}
    expected = torch.cat([t.flatten().double() for t in moved.values() if t.is_floating_point()]).norm()
    assert distance(trainer.network.state_dict(), before) == pytest.approx(float(expected)) != 0
