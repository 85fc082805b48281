"""Stores whose parts do not agree, though each has the size that the header says: one line."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.errors import DataError
from nsface.images.sources import Source, StoreSource, open_source
from nsface.images.store.packing import pack


def npy(values: Any, kind: Any = np.int64) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(values, kind))
    return buffer.getvalue()


def replaced(store: Path, name: str, data: bytes) -> None:
    """Put `data` into a file of the store, and its size into the header: only the content is wrong."""
    (store / name).write_bytes(data)
    header = json.loads((store / "header.json").read_text())
    if name in header["files"]:
        header["files"][name]["bytes"] = len(data)
    (store / "header.json").write_text(json.dumps(header))


def refused(store: Path) -> str:
    with pytest.raises(DataError) as error:
        open_source(str(store))
    assert "\n" not in str(error.value)
    return str(error.value)


LABELS = list(range(7)) * 6


@pytest.mark.parametrize(
    "data",
    [
        npy(LABELS[:40], np.float64), npy(LABELS[:40], np.int32), npy(LABELS[:40], ">i8"), npy(LABELS[:39]),
        npy(3),
        npy(np.reshape(LABELS[:40], (40, 1))), npy([7, *LABELS[:39]]), npy([-2, *LABELS[:39]]),
        npy([2**62, *LABELS[:39]]), npy(LABELS[:40])[:-8], b"", b"text", npy([None] * 40, object),
        npy(LABELS[:40]).replace(b"(40,)", b"(9999999999,)"),
        npy(LABELS[:40]).replace(b"{'descr'", b"{\x00descr'"), npy(LABELS[:40]).replace(b"}", b" "),
    ],
)  # fmt: skip
def test_labels_that_are_none(tar: Source, tmp_path: Path, data: bytes) -> None:
    pack(tar, tmp_path / "store")
    replaced(tmp_path / "store", "labels.npy", data)
    refused(tmp_path / "store")


@pytest.mark.parametrize(
    "change",
    [
        lambda o: o[:, None], lambda o: o.astype(float), lambda o: o[:-1], lambda o: o[::-1], lambda o: o - 1,
        lambda o: np.where(o == o[3], o[9], o), lambda o: o * 1000, lambda o: np.zeros_like(o),
        lambda o: np.int64(4),
    ],
)  # fmt: skip
def test_places_of_images_that_are_none(tar: Source, tmp_path: Path, change: Callable[[Any], Any]) -> None:
    pack(tar, tmp_path / "store", encoded=True)
    offsets = change(np.load(tmp_path / "store" / "offsets.npy"))
    replaced(tmp_path / "store", "offsets.npy", npy(offsets, np.asarray(offsets).dtype))
    refused(tmp_path / "store")


@pytest.mark.parametrize("name", ["names.txt", "identities.txt"])
@pytest.mark.parametrize("data", [b"", b"one\n", b"\xff\n" * 40, b"a\n" * 41, b"a" * 100])
def test_lists_that_do_not_fit(tar: Source, tmp_path: Path, name: str, data: bytes) -> None:
    pack(tar, tmp_path / "store")
    replaced(tmp_path / "store", name, data)
    refused(tmp_path / "store")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda h: h.update(identities=-1), "identities"),
        (lambda h: h.update(identities=8), "8"),
        (lambda h: h.update(images=10**30), "images"),
        (lambda h: h.update(height=0), "height"),
        (lambda h: h.update(height=1 << 40, width=1 << 40), "height"),
        (lambda h: h.update(height=None), "do not agree"),
        (lambda h: h["data"].update(bytes=-5), "bytes"),
        (lambda h: h["files"].update({"a\nb": h["files"]["names.txt"]}), "lists the files"),
        (lambda h: h.update({"a\nb": 1}), "a\\nb"),
    ],
)
def test_a_header_that_does_not_fit(
    tar: Source, tmp_path: Path, change: Callable[[Any], Any], why: str
) -> None:
    pack(tar, tmp_path / "store")
    path = tmp_path / "store" / "header.json"
    header = json.loads(path.read_text())
    change(header)
    path.write_text(json.dumps(header))
    assert why in refused(tmp_path / "store")


@pytest.mark.parametrize(
    "text", [b"", b"[" * 100_000, b"null", b"\xff", b'{"images": NaN}', b"9" * 5000, b'"\\ud800"']
)
def test_a_header_that_is_none(tar: Source, tmp_path: Path, text: bytes) -> None:
    pack(tar, tmp_path / "store")
    (tmp_path / "store" / "header.json").write_bytes(text)
    assert "not the header of a store" in refused(tmp_path / "store")


@pytest.mark.parametrize("encoded", [False, True])
def test_a_store_that_becomes_shorter_is_an_error(tar: Source, tmp_path: Path, encoded: bool) -> None:
    pack(tar, tmp_path / "store", encoded=encoded)
    store = open_source(str(tmp_path / "store"))
    assert isinstance(store, StoreSource)
    os.truncate(tmp_path / "store" / store.header.data.file, 1000)
    with pytest.raises((DataError, OSError), match=r"cut short|ends before"):
        store.pixels(39)
    assert store.verify()


def test_names_in_a_store_cannot_command_the_terminal(tar: Source, tmp_path: Path) -> None:
    pack(tar, tmp_path / "store")
    names = (tmp_path / "store" / "names.txt").read_bytes().replace(b"id1/001.jpg", b"id1/\x1b[31m.jpg")
    replaced(tmp_path / "store", "names.txt", names)
    assert "id1/\\x1b[31m.jpg" in open_source(str(tmp_path / "store")).names
