"""Names of images: paths with `/` and an extension."""

from __future__ import annotations

from pathlib import PurePosixPath

IMAGE_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def has_image_extension(name: str) -> bool:
    before, _, extension = name.rpartition(".")  # as posixpath.splitext does, but faster: there are millions
    return f".{extension.lower()}" in IMAGE_EXTENSIONS and before.rpartition("/")[2].strip(".") != ""


def plain(name: str) -> str:
    """`name` without empty parts and single dots, as the readers of images give it."""
    if name.startswith(("/", "./")) or "//" in name or "/./" in name:
        return "/".join(part for part in name.split("/") if part not in ("", "."))
    return name


def stem(name: str) -> str:
    """`name` without its image extension (`a/b.jpg` → `a/b`); other dots stay."""
    return str(PurePosixPath(name).with_suffix("")) if has_image_extension(name) else name
