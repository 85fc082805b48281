"""What nsface finds installed here."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from nsface import installation


def test_another_build_of_opencv_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_headless(name: str) -> str:
        if name != "opencv-python-headless":
            raise PackageNotFoundError
        return "4.9"

    monkeypatch.setattr(installation, "version", only_headless)
    monkeypatch.setattr(installation, "requires", lambda name: ["opencv-python>=4.9"])
    assert installation.packages() == {"opencv-python": "4.9 (opencv-python-headless)"}
