"""The one file of real images that stages are given, which `benchmarks/gpu_data.py` writes.

It is a `.tar.gz` of a few files, whose images are in tars of their own: JPEG files of such small images are
mostly the same header, which compression takes out.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsface.errors import DataError, shown
from nsface.files import replacing

ABOUT = "about.json"
CIFAR, FACES = "cifar", "faces"
PARTS = {
    CIFAR: ("cifar.tar",),
    FACES: ("faces.tar", "lfw.tar", "pairs.txt", "exclude.txt"),
}


@dataclass(frozen=True)
class Data:
    """The files of a data file, in `folder`, and what they are: how many images of what origin."""

    folder: Path
    about: dict[str, Any]

    @property
    def parts(self) -> set[str]:
        """Which of `PARTS` are there."""
        return {part for part, names in PARTS.items() if all((self.folder / name).exists() for name in names)}

    def path(self, name: str) -> Path:
        return self.folder / name


def unpacked(file: Path, folder: Path) -> Data:
    """The content of the data file `file`, in `folder`, in place of what an earlier one had there.

    Raises:
        DataError: it cannot be read, or is no such file.
    """
    known = {ABOUT, *(name for names in PARTS.values() for name in names)}
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.name in known else None
                if content is None:
                    raise DataError(f"{shown(file)}: {shown(member.name)} does not belong into a data file")
                with replacing(folder / member.name) as temporary, temporary.open("wb") as copy:
                    shutil.copyfileobj(content, copy)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(f"{shown(file)}: {error}") from error
    about = folder / ABOUT
    data = Data(folder, json.loads(about.read_text()) if about.exists() else {})
    if not data.about or not data.parts:
        raise DataError(f"{shown(file)}: no data file; benchmarks/gpu_data.py writes one")
    return data
