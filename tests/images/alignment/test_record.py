"""The record of an alignment, as the embeddings of its images have it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nsface.errors import DataError
from nsface.images.alignment.record import alignment_meta


@pytest.mark.parametrize(
    ("found_by", "detector"),
    [({"detector": "yunet", "model": "ab", "face": "largest"}, "yunet"), ({"landmarks": {}}, "landmarks")],
)
def test_template_size_and_detector_are_read(found_by: dict[str, Any], detector: str, tmp_path: Path) -> None:
    record = {"template": "sphereface", "size": [112, 96], "images": 3, **found_by}
    (tmp_path / "align.json").write_text(json.dumps(record))
    expected = {"template": "sphereface", "size": [112, 96], "detector": detector}
    assert alignment_meta(str(tmp_path)) == {"alignment": expected}


def test_images_that_were_not_aligned_here_have_no_record(tmp_path: Path) -> None:
    assert alignment_meta(str(tmp_path)) == {}
    (tmp_path / "align.json").write_text("[1]")
    assert alignment_meta(str(tmp_path)) == {}
    (tmp_path / "align.json").write_text("{")
    with pytest.raises(DataError, match=r"align\.json"):
        alignment_meta(str(tmp_path))
