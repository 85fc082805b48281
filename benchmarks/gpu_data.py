"""Pack the real images that stages of benchmarks/gpu.py need into one file of at most 60 MiB.

    python benchmarks/gpu_data.py --cifar cifar10-jpeg.tar --out cifar.tar.gz
    python benchmarks/gpu_data.py --faces train-faces-112x96.tar --lfw lfw-112x96.tar --pairs pairs.txt \
        --exclude docs/results/in-lfw.txt --out faces.tar.gz
    python benchmarks/gpu_data.py …all of these… --quality 70 --out all.tar.gz

CIFAR-10 is a folder or tar with `train/CLASS/IMAGE` and `test/CLASS/IMAGE`. Of LFW only the images in the
pairs are packed; what --exclude names is left out of trainings, not of the file. Images stay as they are,
byte for byte, unless --quality encodes the faces anew. The file belongs to no repository: the images have
their own terms.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from nsface.benchmark.gpu.data import ABOUT
from nsface.errors import NsfaceError
from nsface.files import replacing
from nsface.images.sources import Source, open_source
from nsface.protocols.lfw import Lfw

MOST_BYTES = 60 * 2**20

Files = Iterable[tuple[str, bytes]]


def tar_of(files: Files) -> tuple[bytes, int]:
    """A tar of `files`, which depends on their names and contents alone, and their number."""
    content, count = io.BytesIO(), 0
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
            count += 1
    return content.getvalue(), count


def chosen(source: Source, quality: int | None, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The files of `names` in `source`, as they are or encoded anew."""
    index = {name: number for number, name in enumerate(source.names)}
    for name in names:
        data = source.read(index[name])
        if quality is not None:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            assert pixels is not None
            data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        yield name, data


def cifar(path: Path, add: Any) -> None:
    """Add both halves of CIFAR-10."""
    source = open_source(str(path))
    names = [name for name in source.names if name.startswith(("train/", "test/"))]
    add("cifar.tar", chosen(source, None, names), path.name)


def faces(options: argparse.Namespace, add: Any) -> None:
    """Add the training faces, LFW's images in the pairs, and the pairs."""
    source = open_source(str(options.faces))
    quality = "" if options.quality is None else f", encoded anew with quality {options.quality}"
    add("faces.tar", chosen(source, options.quality, source.names), f"{options.faces.name}{quality}")
    lfw, trials = open_source(str(options.lfw)), Lfw(options.pairs).read()
    wanted = {name.rsplit(".", 1)[0] for name in [*trials.left, *trials.right]}
    names = [name for name in lfw.names if name.rsplit(".", 1)[0] in wanted]
    what = f"{options.lfw.name}, images in {options.pairs.name}{quality}"
    add("lfw.tar", chosen(lfw, options.quality, names), what)


def main(arguments: list[str] | None = None) -> int:
    """Pack what the `arguments` name; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("cifar", "faces", "lfw", "pairs", "exclude"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--quality", type=int, help="of JPEG, for the faces; as they are by default")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    given = [getattr(options, name) is not None for name in ("faces", "lfw", "pairs")]
    if any(given) != all(given) or not (all(given) or options.cifar):
        parser.error("give --cifar, or --faces with --lfw and --pairs, or all of them")
    about: dict[str, Any] = {}
    parts: dict[str, bytes] = {}

    def add(name: str, files: Files, what: str) -> None:
        parts[name], count = tar_of(files)
        about[name] = {"images": count, "from": what}

    try:
        if options.cifar:
            cifar(options.cifar, add)
        if options.faces:
            faces(options, add)
            parts["pairs.txt"] = options.pairs.read_bytes()
            parts["exclude.txt"] = options.exclude.read_bytes() if options.exclude else b""
        with replacing(options.out) as temporary, tarfile.open(temporary, "w:gz") as archive:
            for name, data in {ABOUT: json.dumps(about).encode(), **parts}.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    except (NsfaceError, OSError) as error:
        parser.error(str(error))
    size = options.out.stat().st_size
    print(f"{options.out}: {size / 2**20:.1f} MiB; {json.dumps(about)}")
    if size > MOST_BYTES:
        print(f"that is above {MOST_BYTES >> 20} MiB: make two files, or give --quality", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
