"""Ensembles: the embeddings of several systems for the same images, made into one. Without torch.

Each is normalised, then they are concatenated, so that the cosine of two fused embeddings is the mean of the
systems' cosines (Chen, Deng, Du: Noisy Softmax, CVPR 2017, https://arxiv.org/abs/1708.03769).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nsface import __version__
from nsface.embeddings.file import Embeddings
from nsface.embeddings.meta import FRAMES, POOLING
from nsface.errors import DataError, listing, shown
from nsface.names import stem
from nsface.vectors import unit


def fuse(systems: Sequence[Embeddings]) -> Embeddings:
    """Normalise and concatenate; (N, D₁), (N, D₂), … → (N, D₁ + D₂ + …), in the order of the first.

    Raises:
        DataError: fewer than two systems, or names that are not the same in all; their order and image
            extensions do not matter.
    """
    if len(systems) < 2:
        raise DataError(f"{len(systems)} embeddings file cannot be fused; give two or more")
    first = systems[0]
    rows = [np.arange(len(first.names)), *(_rows(first, other) for other in systems[1:])]
    parts = [unit(system.vectors[order]) for system, order in zip(systems, rows, strict=True)]
    meta = fused_meta([system.meta for system in systems])
    frames = [
        [system.meta[FRAMES][row] for row in order] if system.meta.get(FRAMES) else None
        for system, order in zip(systems, rows, strict=True)
    ]
    if frames[0] is not None and all(counts == frames[0] for counts in frames):
        meta |= {POOLING: first.meta[POOLING], FRAMES: frames[0]}
    source = " + ".join(system.source for system in systems)
    return Embeddings(list(first.names), np.concatenate(parts, axis=1), meta, source)


def fused_meta(metas: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How fused embeddings were made: `fused` says it of each part; `flip` is theirs, null if they differ."""
    flips = [meta.get("flip") for meta in metas]
    parts = [{key: value for key, value in meta.items() if key != FRAMES} for meta in metas]
    flip = flips[0] if all(flip == flips[0] for flip in flips) else None
    rendered = {"rendered": True} if any(meta.get("rendered") for meta in metas) else {}
    return {"fused": parts, "flip": flip, "nsface": __version__} | rendered


def _rows(first: Embeddings, other: Embeddings) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of `other` in the order of `first`."""
    known, found = ({stem(name): name for name in embeddings.names} for embeddings in (first, other))
    differences = []
    for one, two, system in ((known, found, first), (found, known, other)):
        alone = sorted(name for key, name in one.items() if key not in two)
        if alone:
            differences.append(f"{len(alone)} names only in {shown(system.source)}: {listing(alone, 5)}")
    if differences:
        raise DataError(f"{'; '.join(differences)}; extract the same images with each model")
    if len(first.names) != len(other.names):
        raise DataError(
            f"{shown(first.source)} has {len(first.names)} names and {shown(other.source)} "
            f"{len(other.names)}: some differ only by their extension; extract the same images with "
            "each model"
        )
    return other.rows(first.names)
