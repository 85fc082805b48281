"""Embeddings with known people, and what figures a command drew."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nsface.embeddings import Embeddings, save

PEOPLE = [f"P{i:02d}" for i in range(40)]


def made(path: Path, names: list[str], noise: float = 0.9, seed: int = 0) -> Path:
    """Embeddings with a direction for each person and noise."""
    random = np.random.default_rng(seed)
    centres = {person: random.normal(size=24) for person in sorted({name.split("/")[0] for name in names})}
    vectors = np.array([centres[name.split("/")[0]] + noise * random.normal(size=24) for name in names])
    save(path, Embeddings(names, vectors.astype(np.float32), {"flip": "sum"}))
    return path


def drawn(folder: Path, *names: str) -> bool:
    """Whether these figures, and no others, are in `folder` as PNG and SVG."""
    expected = sorted(f"{name}.{suffix}" for name in names for suffix in ("png", "svg"))
    return sorted(path.name for path in folder.iterdir()) == expected
