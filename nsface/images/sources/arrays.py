"""Images that are already decoded: small data sets in the files of their authors, as torchvision keeps them.

MNIST and its like are read here; CIFAR and SVHN by torchvision, which compares their checksums before.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.images.sources.base import Source

Part = Literal["train", "test"]
_IDX = {"train": "train", "test": "t10k"}  # what the files of MNIST are called
_MOST = 1 << 31  # bytes of pixels, far more than any set of this kind has


class ArraySource(Source):
    """N decoded images with labels.

    Args:
        location: what to call them in messages.
        part: "train" or "test", the folder in their names.
        pixels: uint8, N × H × W × 3, or N × H × W of grey images.
        labels: the class of each image, of shape (N,).
        classes: the name of each class, by label.
    """

    kind = "arrays"

    def __init__(
        self,
        location: str,
        part: Part,
        pixels: npt.NDArray[np.uint8],
        labels: Sequence[int],
        classes: Sequence[str],
    ) -> None:
        self.location = location
        self.names = [f"{part}/{number:06d}.png" for number in range(len(pixels))]
        self._pixels = pixels
        self._identities = [classes[label] for label in labels]

    @property
    def identities(self) -> Sequence[str]:
        return self._identities

    @property
    def labelled(self) -> bool:
        return True

    def pixels(self, index: int) -> npt.NDArray[np.uint8]:
        image = self._pixels[index]
        return np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image

    def read(self, index: int) -> bytes:
        encoded: bytes = cv2.imencode(".png", self.pixels(index)[..., ::-1])[1].tobytes()
        return encoded

    def stamps(self) -> Iterable[tuple[str, int]]:
        return [(f"{zlib.crc32(image.tobytes()):08x}", 0) for image in self._pixels]


def open_arrays(location: str, part: Part) -> ArraySource | None:
    """One part of the data set whose files are in the folder `location`.

    Known are MNIST and sets in its format (`raw/train-images-idx3-ubyte`, also as .gz), CIFAR-10 and
    CIFAR-100 (`cifar-10-batches-py`, `cifar-100-python`) and SVHN (`train_32x32.mat`).

    Returns:
        None where there is none of them.

    Raises:
        DataError: a file is missing or damaged, or torchvision is needed and not installed.
    """
    folder = Path(location)
    for raw in (folder / "raw", folder / "MNIST" / "raw"):
        if any(raw.glob("train-images-idx3-ubyte*")):
            return _mnist(location, raw, part)
    for name, kind in (("cifar-10-batches-py", "CIFAR10"), ("cifar-100-python", "CIFAR100")):
        for root in (folder, folder.parent):
            if (root / name).is_dir() and (root == folder or folder.name == name):
                made = _by_torchvision(location, kind, root, train=part == "train")
                return ArraySource(location, part, made.data, made.targets, made.classes)
    if (folder / "train_32x32.mat").is_file():
        made = _by_torchvision(location, "SVHN", folder, split=part)
        pixels = np.ascontiguousarray(made.data.transpose(0, 2, 3, 1))
        return ArraySource(location, part, pixels, made.labels.tolist(), [str(digit) for digit in range(10)])
    return None


def _by_torchvision(location: str, kind: str, root: Path, **options: Any) -> Any:
    try:
        from torchvision import datasets
    except ImportError as error:
        raise DataError(
            f"{shown(location)}: {kind} is read by torchvision, which is not installed; "
            "pip install 'nsface[vision]'"
        ) from error
    try:
        return getattr(datasets, kind)(root, **options)
    except (RuntimeError, OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(
            f"{shown(location)}: not the files of {kind}, or damaged ones; download them again "
            f"(torchvision.datasets.{kind}(root, download=True))"
        ) from error


def _mnist(location: str, raw: Path, part: Part) -> ArraySource:
    pixels = _idx(raw, f"{_IDX[part]}-images-idx3-ubyte", 3)
    labels = _idx(raw, f"{_IDX[part]}-labels-idx1-ubyte", 1)
    if len(pixels) != len(labels):
        raise DataError(
            f"{shown(location)}: {len(pixels):,} images and {len(labels):,} labels of {part}; download them "
            "again"
        )
    classes = [str(number) for number in range(int(labels.max(initial=0)) + 1)]
    return ArraySource(location, part, pixels, labels.tolist(), classes)


def _idx(folder: Path, name: str, dimensions: int) -> npt.NDArray[np.uint8]:
    """The array in a file of MNIST's format: a magic number, the lengths, then bytes; big-endian."""
    plain, packed = folder / name, folder / f"{name}.gz"
    path = plain if plain.exists() else packed
    try:
        if path == plain:
            content = path.read_bytes()
        else:
            with gzip.open(path) as file:
                content = file.read(_MOST)
    except (OSError, EOFError, zlib.error) as error:
        why = reason(error) if isinstance(error, OSError) else "damaged"
        raise DataError(f"{shown(path)}: cannot be read: {why}; download it again") from error
    start = 4 * (1 + dimensions)
    header = np.frombuffer(content[:start], ">u4")
    shape = tuple(map(int, header[1:]))
    size = 1
    for length in shape:
        size *= length
    if len(header) != 1 + dimensions or header[0] != 0x800 + dimensions or len(content) - start != size:
        raise DataError(
            f"{shown(path)}: not an array of bytes in MNIST's format, or cut off; download it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
