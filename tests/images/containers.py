"""Writers of tars, LMDB and Parquet; the last two by their own libraries, skipped where not installed."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest


def add(archive: tarfile.TarFile, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(data), kind, "/etc/passwd"
    archive.addfile(member, io.BytesIO(data) if data else None)


def write_shard(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            add(archive, name, data)


def write_lmdb(path: Path, items: dict[bytes, bytes]) -> None:
    lmdb: Any = pytest.importorskip("lmdb", reason="the extra `lmdb` is not installed")
    with lmdb.open(str(path)) as environment, environment.begin(write=True) as transaction:
        for key, value in items.items():
            transaction.put(key, value)


def write_parquet(path: Path, columns: dict[str, Any], metadata: dict[bytes, bytes] | None = None) -> None:
    arrow: Any = pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    table = arrow.table(columns)
    parquet.write_table(table.replace_schema_metadata(metadata), path, row_group_size=2)
