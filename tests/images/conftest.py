import sys
from pathlib import Path

import pytest

from nsface.images import packing
from nsface.images.sources import Source, open_source

sys.path.insert(0, str(Path(__file__).parent))  # for `pictures`
from pictures import write_tar


@pytest.fixture
def tar(tmp_path: Path) -> Source:
    """Forty small pictures of seven people, opened."""
    return open_source(str(write_tar(tmp_path / "train.tar")))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack eight images a block, so that few make several."""
    monkeypatch.setattr(packing, "BLOCK", 8)
