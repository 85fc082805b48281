"""Where an extraction puts its embeddings: into memory, into templates, or into a file as they are made.

What becomes `FILE` lies in the folder `FILE.partial` until all is done: `rows.npy`, and a journal of the
batches (`nsface.images.partial`). The same extraction, started again, goes on after the last batch that is
whole and whose images have not changed since. As it then makes the same batches as one that was not
interrupted, the finished file has the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from pydantic import Field

from nsface.embeddings.batches import Batch
from nsface.embeddings.file import Embeddings, save, save_in_place
from nsface.embeddings.pooling import TemplatePool, template_meta
from nsface.images.partial import BlockEntry, Partial
from nsface.images.sources import Source
from nsface.row_file import NPY_START, npy_header
from nsface.stored_rows import StoredRows

ROWS = "rows.npy"
Templates = Sequence[str | None]


class BatchEntry(BlockEntry):
    """The entry of a batch in the journal.

    Attributes:
        count: number of its images.
        images: SHA-256 of their names, sizes and times of change.
        bad, widths: as in `Batch`.
    """

    count: int = Field(ge=0)
    images: str
    bad: dict[int, str]
    widths: list[int]


class Output(ABC):
    """Takes the embeddings of batches in order; a context manager."""

    def resumed(self, batches: Iterator[list[int]]) -> tuple[list[BatchEntry], Iterator[list[int]]]:
        """The first of `batches` that are done already, and the others."""
        return [], batches

    @abstractmethod
    def add(self, batch: Batch) -> None:
        """Take the embeddings of the next batch."""

    @abstractmethod
    def finish(self, names: Sequence[str], meta: dict[str, Any], location: str) -> Embeddings:
        """All embeddings.

        Args:
            names: of the images that have one, in order.
            meta: how they were made.
            location: what to call them in messages.
        """

    def __enter__(self) -> Output:
        return self

    def __exit__(  # noqa: B027  # memory needs no closing
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class InMemory(Output):
    """Keeps the embeddings of all images."""

    def __init__(self, size: int) -> None:
        self._vectors = [np.empty((0, size), np.float32)]

    def add(self, batch: Batch) -> None:
        self._vectors.append(batch.vectors)

    def finish(self, names: Sequence[str], meta: dict[str, Any], location: str) -> Embeddings:
        return Embeddings(names, np.concatenate(self._vectors), meta, location)


class Pooled(Output):
    """Keeps templates only: the normalised mean of the normalised embeddings of their images."""

    def __init__(self, size: int, templates: Templates) -> None:
        self._templates, self._pool = templates, TemplatePool(size)

    def add(self, batch: Batch) -> None:
        used = [index for place, index in enumerate(batch.indices) if place not in batch.bad]
        self._pool.add([str(self._templates[index]) for index in used], batch.vectors)

    def finish(self, names: Sequence[str], meta: dict[str, Any], location: str) -> Embeddings:
        keys, means, counts = self._pool.result()
        return Embeddings(keys, means, meta | template_meta(counts), location)


class Nowhere(Output):
    """Keeps nothing: on ranks other than the first, which writes the file."""

    def __init__(self, size: int) -> None:
        self._size = size

    def add(self, batch: Batch) -> None:
        pass

    def finish(self, names: Sequence[str], meta: dict[str, Any], location: str) -> Embeddings:
        return Embeddings([], np.empty((0, self._size), np.float32), meta, location)


class IntoFile(Output):
    """Writes an embeddings file; see the module.

    Args:
        target: the file, `.npz` or `.npy`.
        plan: what decides the embeddings besides the images, as JSON can hold it.
        size: length of an embedding.
        templates: as for `extract`.

    Raises:
        NsfaceError: the folder holds the work of another plan, is in use, or cannot be written.
    """

    def __init__(
        self, target: Path, plan: dict[str, Any], size: int, source: Source, templates: Templates | None
    ) -> None:
        self._target, self._size, self._source, self._templates = target, size, source, templates
        place = Path(os.path.realpath(target))
        self._folder = place.with_name(f"{place.name}.partial")
        self._partial = Partial(self._folder, plan, BatchEntry, ROWS, NPY_START, restart=False)
        self._stamps = enumerate(source.stamps())

    def resumed(self, batches: Iterator[list[int]]) -> tuple[list[BatchEntry], Iterator[list[int]]]:
        entries = self._partial.entries
        for number, entry in enumerate(entries):
            batch = next(batches, None)
            if batch is None or len(batch) != entry.count or self._digest(batch) != entry.images:
                self._partial.keep(number)
                batches = chain([] if batch is None else [batch], batches)
                self._stamps = enumerate(self._source.stamps())
                break
        return list(entries), batches

    def add(self, batch: Batch) -> None:
        data = np.ascontiguousarray(batch.vectors, "<f4").tobytes()
        digest = hashlib.sha256(data).hexdigest()
        entry = BatchEntry(
            bytes=len(data),
            sha256=digest,
            count=len(batch.indices),
            images=self._digest(batch.indices),
            bad=batch.bad,
            widths=batch.widths,
        )
        self._partial.add(entry, data)

    def finish(self, names: Sequence[str], meta: dict[str, Any], location: str) -> Embeddings:
        width = 4 * self._size
        count = sum(entry.bytes for entry in self._partial.entries) // width
        self._partial.complete(npy_header((count, self._size), "<f4"))
        rows = StoredRows(self._partial.data)
        if self._templates is not None:
            made = self._pooled(rows, self._templates).finish(names, meta, location)
            save(self._target, made)
        elif self._target.suffix == ".npy":
            made = Embeddings(names, rows, meta, location)
            save_in_place(self._target, made, self._partial.data)
        else:
            made = Embeddings(names, rows, meta, location)
            save(self._target, made)
        shutil.rmtree(self._folder, ignore_errors=True)
        return made

    def _pooled(self, rows: StoredRows, templates: Templates) -> Pooled:
        """The templates, from what was written of their images, a batch at a time."""
        pooled = Pooled(self._size, templates)
        chosen = [index for index, template in enumerate(templates) if template is not None]
        image = row = 0
        for entry in self._partial.entries:
            indices, last = chosen[image : image + entry.count], row + entry.count - len(entry.bad)
            pooled.add(Batch(indices, rows[row:last], entry.bad, entry.widths))
            image, row = image + entry.count, last
        return pooled

    def _digest(self, indices: Sequence[int]) -> str:
        """SHA-256 of names and stamps of images that follow those of the last call."""
        digest, wanted = hashlib.sha256(), set(indices)
        while wanted:
            index, (stamp, changed) = next(self._stamps)
            if index in wanted:
                wanted.remove(index)
                digest.update(f"{self._source.names[index]}\0{stamp} {changed}\n".encode())
        return digest.hexdigest()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._partial.close()
        if not any(entry.bytes for entry in self._partial.entries):  # no image could be used
            shutil.rmtree(self._folder, ignore_errors=True)
