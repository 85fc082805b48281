"""Names of images: paths with `/` and an extension."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

_JPEG = {
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jif",
    ".jfif",
    ".jfi",
    ".mpo",
    ".pjpeg",
    ".pjp",
}  # of phones, browsers, 3D cameras
IMAGE_EXTENSIONS = frozenset(_JPEG | {".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff"})
# formats of images that are not read, but counted
FOREIGN_EXTENSIONS = frozenset(
    [
        ".gif", ".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".jpf", ".psd", ".svg",
        ".ico", ".tga", ".exr", ".hdr", ".pcx", ".ppm", ".pgm", ".pbm", ".pnm", ".dng", ".cr2", ".cr3",
        ".nef", ".arw", ".raf", ".orf", ".rw2",
    ]
)  # fmt: skip


def has_image_extension(name: str) -> bool:
    """Whether `name` has the extension of an image format that is read."""
    before, _, extension = name.rpartition(".")  # like posixpath.splitext, but faster for millions of names
    return f".{extension.lower()}" in IMAGE_EXTENSIONS and before.rpartition("/")[2].strip(".") != ""


def has_foreign_extension(name: str) -> bool:
    """Whether `name` has the extension of an image format that is not read (`a.heic`)."""
    return PurePosixPath(name).suffix.lower() in FOREIGN_EXTENSIONS


def plain(name: str) -> str:
    """`name` without empty parts and single dots, as the sources of images give it."""
    if name.startswith(("/", "./")) or "//" in name or "/./" in name:
        return "/".join(part for part in name.split("/") if part not in ("", "."))
    return name


def stem(name: str) -> str:
    """`name` without its image extension (`a/b.jpg` → `a/b`); other dots stay."""
    return str(PurePosixPath(name).with_suffix("")) if has_image_extension(name) else name


def stem_key(name: str) -> str:
    """`stem(name)` in Unicode's normal form C: some file systems store é as e and an accent."""
    return unicodedata.normalize("NFC", stem(name))


def leads_outside(path: PurePosixPath) -> bool:
    """Whether a file of this name would be written outside of the folder that it is meant for."""
    return path.is_absolute() or ".." in path.parts


class Places:
    """The places of names in a list.

    A name is also found where its image extension is missing or different, if it is clear which name is
    meant, and where its Unicode is decomposed.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._exact = {name: place for place, name in enumerate(names)}
        self._by_stem: dict[str, int | None] = {}
        for name, place in self._exact.items():
            key = stem_key(name)
            self._by_stem[key] = None if key in self._by_stem else place

    def find(self, name: str) -> int | None:
        """The place of `name`; None where the list has no such name, or several that could be meant."""
        place = self._exact.get(name)
        return self._by_stem.get(stem_key(name)) if place is None else place


def repeated(names: Sequence[str]) -> str | None:
    """A name that occurs twice in `names`; None where no name does."""
    if len(set(names)) == len(names):
        return None
    return Counter(names).most_common(1)[0][0]


def renamed(names: Sequence[str], prefix: str) -> list[str]:
    """`names` without `prefix` where some begin with it, or all with `prefix` before them where none does."""
    if any(name.startswith(prefix) for name in names):
        return [name.removeprefix(prefix) for name in names]
    return [prefix + name for name in names]


def prefix_between(names: Sequence[str], wanted: Iterable[str]) -> str | None:
    """The folders that precede all of `wanted` in `names`, or `names` in `wanted`; None if there are none.

    Image extensions do not matter.

    Example:
        >>> prefix_between(["crops/a/1.jpg", "crops/a/2.jpg"], ["a/2.png"])
        'crops/'
    """
    known, wanted_stems = [stem(name) for name in names], [stem(name) for name in wanted]
    if not known or not wanted_stems:
        return None
    end, first = "/" + wanted_stems[0], wanted_stems[0]
    longer = next((name for name in known if name.endswith(end)), None)
    shorter = next((name for name in known if first.endswith("/" + name)), None)
    if longer is None and shorter is None:
        return None
    prefix = longer[: -len(first)] if longer is not None else first[: -len(shorter or "")]
    found = set(renamed(known, prefix))
    return prefix if found.issuperset(wanted_stems) else None
