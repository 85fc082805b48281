"""Norms of vectors, exact to float64: what similarities, templates and ensembles have in common."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CHUNK_ELEMENTS = 1 << 19  # float64 elements worked on at once: 4 MiB, so that two sides stay in the cache


def lengths(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """The L2 norm of every row, in float64.

    Args:
        vectors: (N, D), of any floating type.

    Returns:
        (N,) float64.

    Example:
        >>> lengths(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [5.0, 0.0]
    """
    result = np.empty(len(vectors))
    step = max(1, CHUNK_ELEMENTS // max(1, vectors.shape[1]))
    for start in range(0, len(vectors), step):
        block = np.asarray(vectors[start : start + step], dtype=np.float64)
        result[start : start + step] = np.sqrt(np.einsum("ij,ij->i", block, block))
    return result


def unit(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Every row divided by its L2 norm; a row of zeros stays zeros.

    Args:
        vectors: (N, D), of any floating type.

    Returns:
        (N, D) float32.

    Example:
        >>> unit(np.array([[0.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    norms = lengths(vectors)
    norms[norms == 0] = 1
    return (vectors / norms[:, None]).astype(np.float32)
