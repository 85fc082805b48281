"""Fixtures for all tests."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from tests.warm import WarmPython

# Repeatable, and no time limit on a single example: the machine may be busy with something else.
settings.register_profile("nsface", deadline=None, derandomize=True)
settings.load_profile("nsface")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data: $NSFACE_DATA, or ../shared/data; the test is skipped without."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("NSFACE_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data: NSFACE_DATA is not set and {default} does not exist")
    return folder


@pytest.fixture(scope="session")
def warm_python() -> Iterator[str]:
    """The path of a Python that has imported torch already, for what is run in a process of its own."""
    with WarmPython() as program:
        yield program


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Enter `full_disk(n)`, and no file can grow beyond n bytes: writing fails as it does on a full disk."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)

    return limited
