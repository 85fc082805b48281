from pathlib import Path

import pytest

from nsface.images.sources import Source, open_source
from nsface.images.store import packing
from tests.images.pictures import write_tar


@pytest.fixture
def tar(tmp_path: Path) -> Source:
    """Forty small pictures of seven people, opened."""
    return open_source(str(write_tar(tmp_path / "train.tar")))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack eight images a block, so that few make several."""
    monkeypatch.setattr(packing, "BLOCK", 8)
