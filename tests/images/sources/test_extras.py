"""Kinds of sources that need a package which is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("package", "extra"), [("lmdb", "lmdb"), ("pyarrow", "parquet")])
def test_without_the_package_one_line_says_what_to_install(tmp_path: Path, package: str, extra: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "data.mdb").write_bytes(b"x")
    (tmp_path / "y").write_bytes(b"PAR1")
    location = tmp_path / ("x" if package == "lmdb" else "y")
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from nsface.images.sources import open_source\n"
        "from nsface.errors import DataError\n"
        f"try: open_source({str(location)!r})\n"
        "except DataError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f'pip install "nsface[{extra}]"' in done.stdout
