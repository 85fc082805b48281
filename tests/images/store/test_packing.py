"""Packed stores: what goes in comes out, to the bit; damaged and hostile ones."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nsface.errors import DataError, NsfaceError
from nsface.images.batches.augmentation import Augmentation
from nsface.images.batches.loader import Loader
from nsface.images.batches.sampling import Shuffled
from nsface.images.pixels import stored_pixels
from nsface.images.sources import Source, StoreSource, open_source
from nsface.images.store.packing import pack
from nsface.preprocessing import Preprocessing
from nsface.ranks import ALONE
from nsface.recipe.schema import Recipe
from nsface.training.data import decoded, training_set
from tests.images.pictures import encoded, picture
from tests.images.records import insightface, write_rec

SIZE = (12, 10)


pytestmark = pytest.mark.usefixtures("small_blocks")


def opened(path: Path) -> StoreSource:
    source = open_source(str(path))
    assert isinstance(source, StoreSource)
    return source


def test_a_store_of_pixels(tar: Source, tmp_path: Path) -> None:
    done: list[int] = []
    packed = pack(tar, tmp_path / "store", workers=3, progress=done.append)
    assert (packed.images, packed.identities, packed.bad, sum(done)) == (40, 7, [], 40)
    store = opened(tmp_path / "store")
    assert list(store.names) == list(tar.names)
    assert list(store.identities) == list(tar.identities)
    assert not store.labelled
    expected = np.stack([tar.pixels(index) for index in range(40)])
    assert np.array_equal(np.load(tmp_path / "store" / "pixels.npy", mmap_mode="r"), expected)
    pixels = stored_pixels(store, *SIZE)
    assert pixels is not None
    assert np.array_equal(pixels.block(0, 99), expected)
    assert np.array_equal(pixels.gather([7, 0, 7]), expected[[7, 0, 7]])
    store.pixels(3)[:] = 0
    assert np.array_equal(store.pixels(3), expected[3]), "the file is never written to"
    assert sorted(os.listdir(tmp_path)) == ["store", "train.tar"]
    assert sorted(os.listdir(tmp_path / "store")) == [
        "header.json", "identities.txt", "labels.npy", "names.txt", "pixels.npy"
    ]  # fmt: skip


def test_a_store_of_encoded_images(tar: Source, tmp_path: Path) -> None:
    pack(tar, tmp_path / "store", encoded=True)
    store = opened(tmp_path / "store")
    assert [store.read(index) for index in range(40)] == [tar.read(index) for index in range(40)]
    assert list(store.names) == list(tar.names)
    assert stored_pixels(store, *SIZE) is None
    assert store.pixel_file is None
    assert store.verify() == []


def test_the_header_has_the_checksums_of_all_files(tar: Source, tmp_path: Path) -> None:
    """Recomputed here from the format's description."""
    pack(tar, tmp_path / "store")
    header = json.loads((tmp_path / "store" / "header.json").read_text())
    for name, part in header["files"].items():
        data = (tmp_path / "store" / name).read_bytes()
        assert part == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    data = (tmp_path / "store" / "pixels.npy").read_bytes()[128:]
    assert header["data"]["bytes"] == len(data) == 40 * 12 * 10 * 3
    for number, block in enumerate(header["data"]["blocks"]):
        part = data[number * 8 * 360 : (number + 1) * 8 * 360]
        assert block == {"images": 8, "bytes": len(part), "sha256": hashlib.sha256(part).hexdigest()}
    assert header["source"]["kind"] == "tar"


@pytest.mark.parametrize("exclude", [[], ["id1", "id4"]])
def test_batches_from_the_store_are_those_from_the_tar(
    tar: Source, tmp_path: Path, exclude: list[str]
) -> None:
    pack(tar, tmp_path / "store")
    batches = []
    for location in (tar.location, str(tmp_path / "store")):
        recipe = Recipe.model_validate(
            {
                "network": {"name": "light-resnet"},
                "head": {"name": "softmax"},
                "epochs": 1,
                "data": location,
                "exclude": exclude,
            }
        )
        # smaller than any network takes; none is made here
        recipe = recipe.model_copy(update={"input": Preprocessing(height=12, width=10)})
        source, chosen, labels, identities = training_set(recipe)
        pixels, rows = decoded(recipe, source, chosen, ALONE)
        if isinstance(source, StoreSource):
            assert pixels is source.pixel_file, "nothing is copied"
        sampler, how = Shuffled(len(chosen), 6, seed=3), Augmentation(mirror=True, shift=2)
        loader = Loader(pixels, labels, sampler, how, 3, torch.device("cpu"), rows)
        batches.append((identities, [batch for epoch in (0, 1) for batch in loader.epoch(epoch)]))
    assert batches[0][0] == batches[1][0]
    assert len(batches[0][1]) == len(batches[1][1]) > 4
    for one, other in zip(batches[0][1], batches[1][1], strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_images_of_another_size_are_refused(tar: Source, tmp_path: Path) -> None:
    pack(tar, tmp_path / "store")
    with pytest.raises(DataError, match=r"12×10 .* where 112×96 is needed"):
        stored_pixels(opened(tmp_path / "store"), 112, 96)


def test_bad_images_are_refused_or_left_out(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / "faces" / f"{number % 3}" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (5, 5) if number == 9 else SIZE
        path.write_bytes(b"" if number in (0, 17) else encoded(picture(*size, seed=number)))
    source = open_source(str(tmp_path / "faces"))
    with pytest.raises(DataError, match=r"3 of 20 images cannot be used: .*5×5 .*--skip-bad.*store\.partial"):
        pack(source, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    packed = pack(source, tmp_path / "store", skip_bad=True)
    assert packed.images == 17
    assert [reason.split(":")[0] for reason in packed.bad] == ["0/00.png", "0/09.png", "2/17.png"]
    store = opened(tmp_path / "store")
    assert store.verify() == []
    for index, name in enumerate(store.names):
        assert np.array_equal(store.pixels(index), picture(*SIZE, seed=int(Path(name).stem)))
    packed = pack(source, tmp_path / "encoded", encoded=True, skip_bad=True)
    assert packed.images == 18, "encoded images may have any size"
    (tmp_path / "bad" / "A").mkdir(parents=True)
    (tmp_path / "bad" / "A" / "1.png").touch()
    with pytest.raises(DataError, match="no image of a sample can be used"):
        pack(open_source(str(tmp_path / "bad")), tmp_path / "never", skip_bad=True)


def test_two_at_once_and_folders_in_the_way(tar: Source, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(NsfaceError, match="mine exists and is not an empty folder"):
        pack(tar, tmp_path / "mine")
    (tmp_path / "store.partial").mkdir()
    (tmp_path / "store.partial" / "file").touch()
    with pytest.raises(NsfaceError, match=r"store\.partial has other files in it already"):
        pack(tar, tmp_path / "store")
    code = (
        "import fcntl, os, sys, time\n"
        "os.makedirs(sys.argv[1]); file = open(sys.argv[1] + '/journal.jsonl', 'w')\n"
        "fcntl.flock(file, fcntl.LOCK_EX); print('locked', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "other.partial")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(NsfaceError, match="is being written by another process"):
            pack(tar, tmp_path / "other")
        holder.kill()


def test_a_file_system_without_locks(tar: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert pack(tar, tmp_path / "store").images == len(tar)


def test_damage_is_found_and_named(tar: Source, tmp_path: Path) -> None:
    pack(tar, tmp_path / "store")
    store = tmp_path / "store"
    data = bytearray((store / "pixels.npy").read_bytes())
    data[128 + 20 * 360] ^= 1
    (store / "pixels.npy").write_bytes(data)
    labels = bytearray((store / "labels.npy").read_bytes())
    labels[-8] ^= 2  # another identity
    (store / "labels.npy").write_bytes(labels)
    source = opened(store)
    names = f"{source.names[16]} … {source.names[23]}"
    assert source.verify() == [
        ("labels.npy", "does not match its checksum"),
        (names, "8 images do not match their checksum"),
    ]
    (store / "pixels.npy").write_bytes(data[:-1])
    with pytest.raises(DataError, match=r"pixels\.npy: 14527 bytes instead of 14528"):
        opened(store)
    (store / "pixels.npy").unlink()
    with pytest.raises(DataError, match=r"pixels\.npy: no such file"):
        opened(store)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda h: h.pop("images"), "images: Field required"),
        (lambda h: h.update(version=2), "version"),
        (lambda h: h.update(images=39), "its blocks hold 40 images"),
        (lambda h: h.update(width=11), "height, width and number of images do not agree"),
        (lambda h: h["data"].update(file="../x"), "data.file"),
        (lambda h: h["files"].update({"/etc/passwd": {"bytes": 1, "sha256": ""}}), "lists the files"),
        (lambda h: h["data"]["blocks"][0].update(bytes=-1), "data.blocks.0.bytes"),
    ],
)
def test_a_header_that_cannot_be(tar: Source, tmp_path: Path, change: object, why: str) -> None:
    pack(tar, tmp_path / "store")
    path = tmp_path / "store" / "header.json"
    header = json.loads(path.read_text())
    change(header)  # type: ignore[operator]
    path.write_text(json.dumps(header))
    with pytest.raises(DataError, match=why) as error:
        opened(tmp_path / "store")
    assert "\n" not in str(error.value)


def test_labels_go_through_the_store(tmp_path: Path) -> None:
    images = [(label, encoded(picture(*SIZE, seed=label), ".jpg")) for label in (0, 2, 2, 10)]
    contents = insightface(images)
    write_rec(tmp_path / "train.rec", contents, index=range(len(contents)))
    pack(open_source(str(tmp_path)), tmp_path / "store")
    store = opened(tmp_path / "store")
    assert store.identities == ["0", "2", "2", "10"]
    assert store.labelled
    assert np.load(tmp_path / "store" / "labels.npy").tolist() == [0, 1, 1, 2]
    assert (tmp_path / "store" / "identities.txt").read_text() == "0\n2\n10\n"
