"""An extraction into a file: killed anywhere, the same call goes on to the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.embeddings.extraction import Extraction, extract
from nsface.embeddings.file import load
from nsface.errors import DataError, NsfaceError
from nsface.images.sources import open_source
from tests.images.pictures import encoded, picture
from tests.tiny_model import write_tiny_model

BATCH, IMAGES = 4, 30
KILLED = """
import os, signal, sys
from nsface.embeddings import file
from nsface.embeddings.extraction import extract
from nsface.images.partial import Partial
from nsface.images.sources import open_source

model, images, output, batches, moment, templates = sys.argv[1:]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
add, calls = Partial.add, 0
def counted(self, entry, data):
    global calls
    calls += 1
    if calls > int(batches):
        self._data.write(bytes(data)[:100])  # half a batch, without its line
        self._data.flush()
        die()
    add(self, entry, data)
Partial.add = counted
if moment == "before the rows":
    file.os.replace = lambda old, new, r=os.replace: die() if str(new) == output else r(old, new)
if moment == "before the folder is removed":
    from nsface.embeddings import output as module
    module.shutil.rmtree = die
if moment == "while it is copied":
    file._write_rows = die
source = open_source(images)
pooled = [name.split("/")[0] for name in source.names] if templates else None
extract(model, source, templates=pooled, device="cpu", precision="fp32", flip="none", skip_bad=True,
        batch_size=4, output=output)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(
        tmp_path_factory.mktemp("model") / "model.safetensors", width=112, template="arcface"
    )


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Crops of the model's template, some of another that fits, and three that cannot be used."""
    for number in range(IMAGES):
        path = tmp_path / "images" / f"p{number % 3}" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        crop = picture(112, 96 if number % 7 == 5 else 112, seed=number)
        path.write_bytes(b"text" if number in (0, 13, 29) else encoded(crop))
    return tmp_path / "images"


def extracted(model: Path, images: Path, output: Path, **options: Any) -> Extraction:
    settings: dict[str, Any] = {"device": "cpu", "precision": "fp32", "flip": "none", "batch_size": BATCH}
    return extract(model, open_source(images), output=output, **(settings | {"skip_bad": True} | options))


Killed = Callable[..., None]


@pytest.fixture
def killed(warm_python: str, model: Path, images: Path) -> Killed:
    """`killed(output, batches)`: an extraction that is killed after so many batches, or at `moment`."""

    def extract_and_die(output: Path, batches: int, moment: str = "", templates: str = "") -> None:
        arguments = map(str, (model, images, output, batches, moment, templates))
        assert subprocess.run([warm_python, "-c", KILLED, *arguments]).returncode == -signal.SIGKILL

    return extract_and_die


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Folders for the file of a call that is not interrupted, and for that of one that is."""
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    return tmp_path / "whole", tmp_path / "killed"


def test_three_kills_of_an_npy(killed: Killed, model: Path, images: Path, places: tuple[Path, Path]) -> None:
    whole, resumed = places
    reasons = extracted(model, images, whole / "x.npy").bad
    assert len(reasons) == 3
    for batches, moment, done in ((2, "", 2), (3, "", 5), (9, "before the rows", 8)):
        killed(resumed / "x.npy", batches, moment)
        assert not (resumed / "x.npy").exists()
        journal = (resumed / "x.npy.partial" / "journal.jsonl").read_text().splitlines()
        assert len(journal) == 1 + done
    with pytest.raises(DataError):
        load(resumed / "x.npy.partial" / "rows.npy")
    seen: list[int] = []
    made = extracted(model, images, resumed / "x.npy", progress=seen.append)
    assert seen == [IMAGES], "nothing is done again"
    assert made.bad == reasons
    assert f"x.npy: {IMAGES} of {IMAGES} images were done by an interrupted call" in made.notes[0]
    assert content(resumed) == content(whole)
    assert json.loads((whole / "x.meta.json").read_text())["fitted_from"] == ["112x96"]
    killed(resumed / "x.npy", 9, "before the folder is removed")
    extracted(model, images, resumed / "x.npy")
    assert content(resumed) == content(whole)


@pytest.mark.parametrize("templates", ["", "templates"])
def test_two_kills_of_an_npz(
    killed: Killed, model: Path, images: Path, places: tuple[Path, Path], templates: str
) -> None:
    whole, resumed = places
    names = open_source(images).names
    pooled = [name.split("/")[0] for name in names] if templates else None
    extracted(model, images, whole / "x.npz", templates=pooled)
    killed(resumed / "x.npz", 6, "", templates)
    killed(resumed / "x.npz", 9, "while it is copied", templates)
    assert not (resumed / "x.npz").exists()
    made = extracted(model, images, resumed / "x.npz", templates=pooled)
    assert "were done by an interrupted call" in made.notes[0]
    assert content(resumed) == content(whole)
    in_memory = extract(
        model, open_source(images), templates=pooled, device="cpu", precision="fp32", flip="none",
        batch_size=BATCH, skip_bad=True,
    ).embeddings  # fmt: skip
    written = load(whole / "x.npz")
    assert (written.names, written.meta) == (in_memory.names, in_memory.meta)
    np.testing.assert_array_equal(written.vectors, in_memory.vectors)


def test_bad_images_are_known_after_they_were_refused(model: Path, images: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.npz"
    with pytest.raises(DataError, match=r"3 of 30 images cannot be used: p0/00\.png: not an image"):
        extracted(model, images, output, skip_bad=False)
    seen: list[int] = []
    assert len(extracted(model, images, output, progress=seen.append).bad) == 3
    assert seen == [IMAGES]
    assert not (tmp_path / "x.npz.partial").exists()


@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_a_call_that_embedded_nothing_does_not_stand_in_the_way(
    model: Path, images: Path, tmp_path: Path, name: str, skip_bad: bool
) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number in range(2 * BATCH + 1):
        (photographs / f"{number}.png").write_bytes(encoded(picture(50, 41)))
    with pytest.raises(DataError, match=r"9 of 9 images .* align them to this size, by --align, or first by"):
        extracted(model, photographs, tmp_path / name, skip_bad=skip_bad)
    assert not (tmp_path / f"{name}.partial").exists()
    assert len(extracted(model, images, tmp_path / name).bad) == 3


def test_a_changed_image_and_those_after_it_are_done_again(
    killed: Killed, model: Path, images: Path, places: tuple[Path, Path]
) -> None:
    whole, resumed = places
    killed(resumed / "x.npy", 6)
    names = open_source(images).names
    changed = images / names[10]
    changed.write_bytes(encoded(picture(112, 112, seed=99)))
    seen: list[int] = []
    extracted(model, images, resumed / "x.npy", progress=seen.append)
    assert seen == [8, 4, 4, 4, 4, 4, 2]
    extracted(model, images, whole / "x.npy")
    assert content(resumed) == content(whole)


def test_another_call_is_refused_and_told_apart(
    killed: Killed, model: Path, images: Path, tmp_path: Path
) -> None:
    output = tmp_path / "x.npy"
    killed(output, 2)
    with pytest.raises(NsfaceError, match=r"x\.npy\.partial holds .*not the same precision and batch_size"):
        extracted(model, images, output, precision="bf16", batch_size=5)
    shutil.rmtree(tmp_path / "x.npy.partial")
    extracted(model, images, output, precision="bf16", batch_size=5)
    assert load(output).meta["precision"] == "bfloat16"


@pytest.mark.parametrize("change", [{"bytes": -1}, {"bytes": 1 << 60}, {"count": -4}])
def test_a_damaged_line_of_the_journal_ends_what_is_done(
    killed: Killed, model: Path, images: Path, tmp_path: Path, change: dict[str, int]
) -> None:
    resumed, whole = tmp_path / "resumed", tmp_path / "whole"
    resumed.mkdir()
    whole.mkdir()
    killed(resumed / "x.npy", 3)
    journal = resumed / "x.npy.partial" / "journal.jsonl"
    lines = journal.read_text().splitlines()
    lines[2] = json.dumps(json.loads(lines[2]) | change)
    journal.write_text("".join(f"{line}\n" for line in lines))
    seen: list[int] = []
    extracted(model, images, resumed / "x.npy", progress=seen.append)
    assert seen[0] == BATCH
    extracted(model, images, whole / "x.npy")
    assert content(resumed) == content(whole)


def test_what_has_done_nothing_leaves_nothing(
    model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise NsfaceError("no more")

    monkeypatch.setattr("nsface.embeddings.output.IntoFile.add", fails)
    with pytest.raises(NsfaceError, match="no more"):
        extracted(model, images, tmp_path / "x.npy")
    assert os.listdir(tmp_path) == ["images"]
