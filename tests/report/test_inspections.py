"""What `nsface inspect` found, as the report shows it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nsface.errors import DataError
from nsface.images.inspection.result import inspect
from nsface.images.inspection.scan import scan
from nsface.images.sources import open_source
from nsface.report.inspections import Gaps, facts, read_inspections
from nsface.synthetic import write_training_set


def inspected(folder: Path, file: Path) -> Path:
    """Inspect `folder`, write the result to `file`."""
    source = open_source(str(folder))
    file.write_text(json.dumps(inspect(source, scan(source)).to_json()))
    return file


def test_counts_of_a_sound_and_of_a_faulty_set(tmp_path: Path) -> None:
    sound = write_training_set(tmp_path / "sound", identities=3, images=2)
    faulty = shutil.copytree(sound, tmp_path / "faulty")
    shutil.copy(faulty / "0000000/001.jpg", faulty / "0000002/003.jpg")
    (faulty / "0000004").mkdir()
    (faulty / "0000004/broken.jpg").write_bytes(b"not an image")
    (faulty / "0000004/notes.txt").write_text("mine")
    files = [inspected(folder, folder.with_suffix(".json")) for folder in (sound, faulty)]
    results = read_inspections(files)
    first, second = map(facts, results)
    assert (first["images"], second["images"]) == ("6 (folder)", "8 (folder)")
    assert (first["identities"], second["identities"]) == ("3", "4")
    assert (first["images per identity"], second["images per identity"]) == (
        "2 – 2, median 2",
        "1 – 3, median 2",
    )
    assert (first["height × width"], second["height × width"]) == ("112×96 (6)", "112×96 (7)")
    assert 0 <= float(first["alignment"]) <= 1
    for title in (
        "images that cannot be read",
        "groups of equal images",
        "of these groups, of several identities",
    ):
        assert (first[title], second[title]) == ("0", "1"), title
    assert first["groups of similar images"] == "0"
    assert "images of another size" not in first, "what is not there is left out"
    gaps = results[0].model_copy(update={"label_gaps": Gaps(missing=4)})
    assert facts(gaps) == first | {"labels without an image": "4"}
    assert not any("broken" in value for value in second.values()), "names may be those of people"


@pytest.mark.parametrize("content", ["{", "[]", '{"protocol": "lfw"}'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"not a result of nsface inspect|not the JSON"):
        read_inspections([tmp_path / "a.json"])
    with pytest.raises(DataError, match=r"b\.json: cannot be read: no such file"):
        read_inspections([tmp_path / "b.json"])
