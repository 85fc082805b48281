"""A part of a source gives the images of the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nsface.images.sources import open_source
from nsface.images.sources.part import PartSource
from tests.images.pictures import encoded


def test_it_gives_the_images_of_the_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a/1.png", "a/2.png", "b/1.png", "c/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(random.integers(0, 256, (8, 6, 3)).astype(np.uint8)))
    whole = open_source(tmp_path)
    part = PartSource(whole, [3, 1])
    assert (list(part.names), list(part.identities), len(part)) == (["c/1.png", "a/2.png"], ["c", "a"], 2)
    for place, index in enumerate((3, 1)):
        assert part.read(place) == whole.read(index)
        assert np.array_equal(part.pixels(place), whole.pixels(index))
        assert list(part.stamps())[place] == list(whole.stamps())[index]
