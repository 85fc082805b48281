"""What nsface finds installed here."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError
from pathlib import Path

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


@pytest.mark.parametrize("changed", [False, True])
def test_the_commit_of_a_checkout(changed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nsface").mkdir()
    file = tmp_path / "nsface" / "installation.py"
    file.write_text("")
    monkeypatch.setattr(installation, "__file__", str(file))
    assert installation.source_commit() is None

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    git("tag", "v1")
    if changed:
        file.write_text("other")
    assert installation.source_commit() == git("rev-parse", "HEAD") + "-dirty" * changed
