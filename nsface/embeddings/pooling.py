"""Many embeddings into one: templates of videos, media and people. Without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.embeddings.meta import FRAMES, POOLING
from nsface.stored_rows import StoredRows
from nsface.vectors import unit

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


def template_meta(counts: Sequence[int]) -> dict[str, Any]:
    """What an embeddings file of templates says about them; `counts`: images behind each."""
    return {POOLING: "mean", FRAMES: list(counts)}


def group_rows(keys: Sequence[str]) -> dict[str, Rows]:
    """Row numbers of each key, ascending, in the order in which keys are first met."""
    groups: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    return {key: np.array(rows, dtype=np.int64) for key, rows in groups.items()}


def pooled(vectors: npt.NDArray[np.float32] | StoredRows, groups: Sequence[Rows]) -> Vectors:
    """Mean of the normalised embeddings of each group of rows, normalised; (N, D) → (len(groups), D)."""
    means = np.stack([unit(vectors[rows]).mean(axis=0, dtype=np.float64) for rows in groups])
    return unit(means)


class TemplatePool:
    """Templates from embeddings that arrive a batch at a time and are not kept.

    Memory is one float64 vector a template, however many embeddings there are.
    """

    def __init__(self, dimension: int) -> None:
        self._places: dict[str, int] = {}
        self._sums = np.zeros((0, dimension))
        self._counts: list[int] = []

    def add(self, keys: Sequence[str], vectors: Vectors) -> None:
        """Add embeddings (B, D), each to the template of its key."""
        places = [self._places.setdefault(key, len(self._places)) for key in keys]
        grow = len(self._places) - len(self._counts)
        self._counts += [0] * grow
        if len(self._places) > len(self._sums):  # doubling, so that all growth together costs one copy
            room = np.zeros((max(grow, len(self._sums)), self._sums.shape[1]))
            self._sums = np.concatenate([self._sums, room])
        np.add.at(self._sums, places, unit(vectors).astype(np.float64))
        for place in places:
            self._counts[place] += 1

    def result(self) -> tuple[list[str], Vectors, list[int]]:
        """Keys in the order first met, their normalised templates, and how many embeddings are in each."""
        return list(self._places), unit(self._sums[: len(self._places)]), list(self._counts)
