"""Centring and PCA, fitted on the training pairs' images only: fitted on all pairs they would leak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Transform:
    """What is done to embeddings before they are compared. It is false where nothing is done.

    Attributes:
        center: subtract the mean of the training images.
        pca: keep this many principal components of the training images (centred, not whitened); 0 for all.

    Example:
        >>> Transform(center=True).fitted_on(np.array([[1.0], [3.0]]), np.array([[5.0]])).tolist()
        [[3.0]]
        >>> Transform(pca=128).name, bool(Transform())
        ('pca 128', False)
    """

    center: bool = False
    pca: int = 0

    @property
    def name(self) -> str:
        """The name in results: `none`, `center` or `pca 128`."""
        return f"pca {self.pca}" if self.pca else "center" if self.center else "none"

    def __bool__(self) -> bool:
        return self.center or self.pca > 0

    def fitted(self, vectors: Vectors, training: npt.NDArray[np.int64]) -> Vectors:
        """Fit on the rows `training` of `vectors` (each once, however often listed); transform all rows.

        Raises:
            DataError: more components than training images or dimensions.
        """
        return self.fitted_on(vectors[np.unique(training)], vectors)

    def fitted_on(self, training: Vectors, vectors: Vectors) -> Vectors:
        """Fit on all rows of `training` (M, D); transform `vectors` (N, D).

        Raises:
            DataError: more components than training images or dimensions, or another number of dimensions.
        """
        if training.shape[1] != vectors.shape[1]:
            raise DataError(
                f"embeddings of size {vectors.shape[1]} and others of size {training.shape[1]} to fit "
                f"'{self.name}' on; both must come from one model"
            )
        if not self.pca:
            return np.asarray(vectors - training.mean(axis=0), dtype=np.float32)
        most = min(training.shape)
        if self.pca > most:
            raise DataError(
                f"PCA to {self.pca} components of {len(training)} images in {vectors.shape[1]} dimensions; "
                f"choose {most} or fewer"
            )
        from sklearn.decomposition import PCA  # here, because it takes a second that few runs need to spend

        model = PCA(self.pca, random_state=0).fit(training)
        return np.asarray(model.transform(vectors), dtype=np.float32)
