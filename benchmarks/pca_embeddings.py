"""PCA embeddings of aligned faces, fitted on one set, written for another: a baseline to repeat.

    python benchmarks/pca_embeddings.py train-faces-112x96.tar lfw-112x96.tar -o pca.npz

Images are made grey, halved and standardised one by one; components are whitened; the mirror image is added.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from nsface import __version__
from nsface.embeddings import Embeddings, save
from nsface.images.decode import decode
from nsface.images.sources import Source, open_source

Floats = npt.NDArray[np.float32]


def grey(source: Source) -> Floats:
    """(N, H / 2, W / 2): every image grey, halved, of mean 0 and variance 1."""
    images = []
    for index, name in enumerate(source.names):
        pixels = decode(source.read(index), name).mean(axis=2, dtype=np.float32)
        height, width = pixels.shape
        small = pixels.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
        images.append((small - small.mean()) / small.std())
    return np.stack(images)


@click.command()
@click.argument("train")
@click.argument("faces")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--components", default=128, show_default=True)
@click.option("--whiten/--no-whiten", default=True, show_default=True)
def main(train: str, faces: str, output: Path, components: int, whiten: bool) -> None:
    """Fit PCA on the images of TRAIN, write embeddings of FACES."""
    source = open_source(faces)
    fitted_on, images = grey(open_source(train)), grey(source)
    model = PCA(components, whiten=whiten, svd_solver="randomized", random_state=0)
    model.fit(fitted_on.reshape(len(fitted_on), -1))
    vectors = sum(model.transform(side.reshape(len(side), -1)) for side in (images, images[:, :, ::-1]))
    meta = {"model": f"PCA {components}, whitened: {whiten}", "flip": "sum", "nsface": __version__}
    save(output, Embeddings(list(source.names), np.asarray(vectors, dtype=np.float32), meta))


if __name__ == "__main__":
    main()
