"""MNIST's format, against arrays that were written into it; what torchvision reads, and what is damaged."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from nsface.errors import DataError
from nsface.images.sources.arrays import ArraySource, open_arrays
from nsface.images.sources.parts_of_sets import open_part

datasets: Any = pytest.importorskip("torchvision.datasets")
DRAWS = np.random.default_rng(0)


def idx(array: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    return struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder: Path, packed: bool = False) -> dict[str, Any]:
    raw = folder / "raw"
    raw.mkdir(parents=True)
    arrays: dict[str, Any] = {}
    for part, name, count in (("train", "train", 7), ("test", "t10k", 5)):
        pixels = DRAWS.integers(0, 256, (count, 4, 6), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 3
        arrays[part] = pixels, labels
        for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            path = raw / f"{name}-{kind}-ubyte"
            if packed:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx(array)))
            else:
                path.write_bytes(idx(array))
    return arrays


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", ["", "MNIST"])
def test_mnist(tmp_path: Path, packed: bool, below: str) -> None:
    arrays = write_mnist(tmp_path / below, packed)
    for part in ("train", "test"):
        source = open_part(str(tmp_path), part)
        pixels, labels = arrays[part]
        assert list(source.identities) == [str(label) for label in labels]
        assert source.labelled
        for index, image in enumerate(pixels):
            assert np.array_equal(source.pixels(index), np.repeat(image[..., None], 3, axis=2))
            decoded = cv2.imdecode(np.frombuffer(source.read(index), np.uint8), cv2.IMREAD_COLOR)
            assert np.array_equal(np.asarray(decoded), source.pixels(index)[..., ::-1])
    assert open_part(str(tmp_path), "train").fingerprint() != open_part(str(tmp_path), "test").fingerprint()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def wrong_kind(path: Path) -> None:
    path.write_bytes(b"\0\0\x0d" + path.read_bytes()[3:])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize("damage", [cut, wrong_kind, emptied, lengthened, Path.unlink])
@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_damaged_files_of_mnist(tmp_path: Path, damage: Callable[[Path], object], name: str) -> None:
    write_mnist(tmp_path)
    damage(tmp_path / "raw" / name)
    with pytest.raises(DataError, match=f"{name}.*download it again"):
        open_part(str(tmp_path), "test")


def test_a_damaged_gzip(tmp_path: Path) -> None:
    write_mnist(tmp_path, packed=True)
    cut(tmp_path / "raw" / "train-images-idx3-ubyte.gz")
    with pytest.raises(DataError, match="download it again"):
        open_part(str(tmp_path), "train")


def test_labels_of_another_length(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "raw" / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(6, np.uint8)))
    with pytest.raises(DataError, match="7 images and 6 labels of train"):
        open_part(str(tmp_path), "train")


def test_cifar_is_read_by_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = DRAWS.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    asked: list[Any] = []

    def made(root: Path, train: bool) -> Any:
        asked.append((root, train))
        return SimpleNamespace(data=pixels, targets=[2, 0, 2], classes=["cat", "dog", "owl"])

    monkeypatch.setattr(datasets, "CIFAR10", made)
    (tmp_path / "cifar-10-batches-py").mkdir()
    for location in (tmp_path, tmp_path / "cifar-10-batches-py"):
        source = open_part(str(location), "test")
        assert list(source.identities) == ["owl", "cat", "owl"]
        assert (source.pixels(1) == pixels[1]).all()
    assert asked == [(tmp_path, False)] * 2


def test_svhn_is_read_by_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = DRAWS.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    monkeypatch.setattr(
        datasets, "SVHN", lambda root, split: SimpleNamespace(data=pixels, labels=np.array([9, 0]))
    )
    (tmp_path / "train_32x32.mat").touch()
    source = open_part(str(tmp_path), "train")
    assert list(source.identities) == ["9", "0"]
    assert (source.pixels(0) == pixels[0].transpose(1, 2, 0)).all()


@pytest.mark.parametrize(
    ("name", "kind"), [("cifar-10-batches-py", "CIFAR10"), ("cifar-100-python", "CIFAR100")]
)
def test_damaged_cifar(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "data_batch_1").write_bytes(b"not a pickle")
    with pytest.raises(DataError, match=f"not the files of {kind}, or damaged ones; download them again"):
        open_part(str(tmp_path), "train")


def test_other_folders_are_none_of_them(tmp_path: Path) -> None:
    assert open_arrays(str(tmp_path), "train") is None


def test_names_and_stamps_tell_the_images() -> None:
    pixels = DRAWS.integers(0, 256, (2, 2, 2, 3), dtype=np.uint8)
    source = ArraySource("here", "test", pixels, [0, 1], ["a", "b"])
    assert source.names == ["test/000000.png", "test/000001.png"]
    other = ArraySource("here", "test", np.roll(pixels, 1), [0, 1], ["a", "b"])
    assert source.dated_fingerprint() != other.dated_fingerprint()
