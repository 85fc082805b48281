"""Centring and PCA, fitted on the training pairs' images only: fitted on all pairs they would leak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Transform:
    """What is done to embeddings before they are compared.

    Attributes:
        center: subtract the mean of the training images.
        pca: keep this many principal components of the training images (centred, not whitened); 0 for all.
    """

    center: bool = False
    pca: int = 0

    @property
    def name(self) -> str:
        """As it stands in results: `none`, `center` or `pca 128`."""
        return f"pca {self.pca}" if self.pca else "center" if self.center else "none"

    def __bool__(self) -> bool:
        return self.center or self.pca > 0

    def fitted(self, vectors: Vectors, training: npt.NDArray[np.int64]) -> Vectors:
        """Fit on the rows `training` of `vectors` (each once, however often listed); transform all rows.

        Raises:
            DataError: more components than training images or dimensions.
        """
        rows = np.unique(training)
        if not self.pca:
            return np.asarray(vectors - vectors[rows].mean(axis=0), dtype=np.float32)
        most = min(len(rows), vectors.shape[1])
        if self.pca > most:
            raise DataError(
                f"PCA to {self.pca} components of {len(rows)} images in {vectors.shape[1]} dimensions; "
                f"choose {most} or fewer"
            )
        from sklearn.decomposition import PCA  # here, because it takes a second that few runs need to spend

        model = PCA(self.pca, random_state=0).fit(vectors[rows])
        return np.asarray(model.transform(vectors), dtype=np.float32)
