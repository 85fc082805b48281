"""How alike two embeddings are: cosine, or minus the Euclidean distance. Higher is always more alike."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.stored_rows import StoredRows
from nsface.vectors import CHUNK_ELEMENTS, lengths

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Similarity = Literal["cosine", "euclidean"]
SIMILARITIES: tuple[str, ...] = get_args(Similarity)


def cosines(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> Floats:
    """The cosine of each row of `first` with the same row of `second`.

    Computed row by row in float64 in a fixed order, so equal vectors give equal scores to the last bit and
    cos(a, b) = cos(b, a): ties in the data stay ties. A vector of zeros has cosine 0 with everything.

    Args:
        first, second: (P, D), of any floating type.

    Returns:
        (P,) float64 in [−1, 1], up to rounding.

    Example:
        >>> cosines(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[2.0, 0.0], [0.0, 1.0]])).tolist()
        [1.0, 0.0]
    """
    a, b = first.astype(np.float64), second.astype(np.float64)
    product = lengths(a) * lengths(b)
    dots = np.einsum("ij,ij->i", a, b)
    cosine: Floats = np.divide(dots, product, out=np.zeros(len(dots)), where=product != 0)
    return cosine


def pair_scores(
    vectors: npt.NDArray[np.floating] | StoredRows,
    left: Rows,
    right: Rows,
    similarity: Similarity = "cosine",
    right_vectors: npt.NDArray[np.floating] | StoredRows | None = None,
) -> Floats:
    """The score of every pair: row `left[i]` of `vectors` with row `right[i]` of `right_vectors`.

    Args:
        vectors: (N, D), not necessarily normalised.
        left, right: (P,) row numbers.
        similarity: `cosine` in [−1, 1], or `euclidean`: minus the distance between the vectors as they are.
        right_vectors: (M, D); `vectors` unless given.

    Returns:
        (P,) float64, exact as in `cosines`.

    Raises:
        DataError: there is no such similarity.

    Example:
        >>> vectors = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]], dtype=np.float32)
        >>> pair_scores(vectors, np.array([0, 0]), np.array([1, 2])).tolist()
        [1.0, 0.0]
        >>> pair_scores(vectors, np.array([0]), np.array([1]), "euclidean").tolist()
        [-2.0]
    """
    if similarity not in SIMILARITIES:
        raise DataError(f"no similarity '{similarity}'; choose {' or '.join(SIMILARITIES)}")
    right_vectors = vectors if right_vectors is None else right_vectors
    result = np.empty(len(left))
    step = max(1, CHUNK_ELEMENTS // max(1, vectors.shape[1]))
    for start in range(0, len(left), step):
        part = slice(start, start + step)
        a, b = vectors[left[part]], right_vectors[right[part]]
        if similarity == "cosine":
            result[part] = cosines(a, b)
        else:
            result[part] = -lengths(a.astype(np.float64) - b)
    return result
