"""How alike two embeddings are: cosine, or minus the Euclidean distance. Higher is always more alike."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.stored_rows import StoredRows

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Similarity = Literal["cosine", "euclidean"]
SIMILARITIES: tuple[str, ...] = get_args(Similarity)

_CHUNK_ELEMENTS = 1 << 19  # float64 elements of one side gathered at once: 4 MiB, so that both stay in cache


def lengths(vectors: npt.NDArray[np.floating]) -> Floats:
    """L2 norm of every row, in float64. `vectors`: (N, D) → (N,)."""
    result = np.empty(len(vectors))
    step = max(1, _CHUNK_ELEMENTS // max(1, vectors.shape[1]))
    for start in range(0, len(vectors), step):
        block = np.asarray(vectors[start : start + step], dtype=np.float64)
        result[start : start + step] = np.sqrt(np.einsum("ij,ij->i", block, block))
    return result


def unit(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Rows divided by their L2 norm, float32; a row of zeros stays zeros. (N, D) → (N, D)."""
    norms = lengths(vectors)
    norms[norms == 0] = 1
    return (vectors / norms[:, None]).astype(np.float32)


def cosines(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> Floats:
    """Cosine of row i of `a` with row i of `b`; (P, D) twice → (P,) float64.

    Computed row by row in float64 in a fixed order, so equal vectors give equal scores to the last bit and
    cos(a, b) = cos(b, a): ties in the data stay ties. A vector of zeros has cosine 0 with everything.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    product = lengths(a) * lengths(b)
    dots = np.einsum("ij,ij->i", a, b)
    cosine: Floats = np.divide(dots, product, out=np.zeros(len(dots)), where=product != 0)
    return cosine


def pair_scores(
    vectors: npt.NDArray[np.floating] | StoredRows,
    left: Rows,
    right: Rows,
    similarity: Similarity = "cosine",
    other: npt.NDArray[np.floating] | StoredRows | None = None,
) -> Floats:
    """Score of every pair: row `left[i]` of `vectors`, row `right[i]` of `other` (`vectors` unless given).

    Args:
        vectors: (N, D), not necessarily normalised.
        left, right: (P,) row numbers.
        similarity: `cosine` in [−1, 1], or `euclidean`: minus the distance between the vectors as they are.

    Returns:
        (P,) float64, exact as in `cosines`.
    """
    if similarity not in SIMILARITIES:
        raise DataError(f"no similarity '{similarity}'; choose {' or '.join(SIMILARITIES)}")
    other = vectors if other is None else other
    result = np.empty(len(left))
    step = max(1, _CHUNK_ELEMENTS // max(1, vectors.shape[1]))
    for start in range(0, len(left), step):
        part = slice(start, start + step)
        a, b = vectors[left[part]], other[right[part]]
        if similarity == "cosine":
            result[part] = cosines(a, b)
        else:
            result[part] = -lengths(a.astype(np.float64) - b)
    return result
