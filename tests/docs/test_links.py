"""Links and pictures in the Markdown files lead to files and headings that exist. Nothing is downloaded."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages() -> list[Path]:
    """Every Markdown file that the repository has or is about to have."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):  # an unpacked source distribution
        return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).exists()]


def anchors(text: str) -> set[str]:
    """Anchors of the headings, as GitHub and most other viewers make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", FENCE.sub("", text), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", LINK.sub("", heading).lower()).replace(" ", "-")
        number = 0
        while (anchor := f"{words}-{number}" if number else words) in found:
            number += 1
        found.add(anchor)
    return found


def broken(page: Path) -> list[str]:
    """Targets of the page's links that do not exist."""
    missing = []
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            missing.append(target)
    return missing


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# One\n## Two `words`, α = 0.1?\n# One\n```\n# No heading\n```\n")
    page = tmp_path / "a.md"
    good = ["b.md", "b.md#one", "b.md#one-1", "b.md#two-words-α--01", "#here", "https://localhost/x"]
    bad = ["c.md", "b.md#three", "b.md#no-heading", "#there", "b.md#one-2"]
    page.write_text("# Here\n" + "\n".join(f"[x]({target})" for target in good + bad))
    assert broken(page) == bad
