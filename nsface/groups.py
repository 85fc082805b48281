"""Groups of things that pairs connect: people linked by trials, images that look alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]


def connected_groups(left: Ints, right: Ints, size: int) -> npt.NDArray[np.int64]:
    """Number the groups of `size` things that pairs connect, by SciPy's `connected_components`.

    Args:
        left, right: (P,) the two things of each pair, in [0, size).

    Returns:
        (size,) the group of each thing; groups are numbered in the order of their first things, from 0.

    Example:
        >>> connected_groups(np.array([3]), np.array([1]), 4).tolist()
        [0, 1, 2, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size))
    group = connected_components(links, directed=False)[1]
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number].astype(np.int64)
