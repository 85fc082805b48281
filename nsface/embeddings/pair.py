"""Embeddings from names and vectors that are in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings, check
from nsface.errors import DataError


def from_pair(pair: tuple[Sequence[str], npt.ArrayLike], source: str) -> Embeddings:
    """Embeddings from a pair (names, vectors), as a program of one's own has them.

    Args:
        pair: N names, and an array (N, D) of whole or floating-point numbers.
        source: what messages call the pair.

    Raises:
        DataError: it is no such pair, or a name occurs twice, or a number is not finite in float32.
    """
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise DataError(
            f"{source}: a {type(pair).__name__} is no embeddings; give an Embeddings, the path of a file, or "
            "(names, vectors)"
        )
    names, vectors = pair
    try:
        array = np.asarray(vectors)
        if array.dtype.kind not in "fiu":
            raise TypeError(f"they are of type {array.dtype}")
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: of a tensor with a gradient
        why = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{source}: vectors that are no array of numbers ({why}); give an array (N, D), of a tensor "
            "`tensor.detach().float().cpu().numpy()`"
        ) from error
    with np.errstate(over="ignore"):  # infinite in float32, which `check` refuses
        found = Embeddings([str(one) for one in names], array.astype(np.float32, copy=False), source=source)
    check(found)
    return found
