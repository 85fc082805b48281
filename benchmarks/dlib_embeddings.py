"""Embeddings of aligned faces by dlib's network: a strong judge that nsface did not train.

    pip install dlib-bin
    pip download --no-deps --no-binary :all: face_recognition_models    # has the model (CC0); unpack it
    python benchmarks/dlib_embeddings.py dlib_face_recognition_resnet_model_v1.dat lfw-112x96.tar -o lfw.npz

Its author gives 99.38 % on LFW for it, with dlib's own alignment. It takes faces of 150×150 in a frame of its
own (`get_face_chip_details`, padding 0.25); here they come from faces aligned to the SphereFace template,
112×96, scaled and shifted so that the eyes fit. What lies outside the smaller image repeats its edge.
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import dlib
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from nsface import __version__
from nsface.embeddings import Embeddings, save
from nsface.images.alignment.templates import template
from nsface.images.sources import open_source

SIZE = 150
FACE = template("sphereface")
CHIP_EYES = np.array([[47.73, 47.12], [100.28, 47.11]])  # middle of the eye corners of dlib's mean face


def to_chip() -> npt.NDArray[np.float64]:
    """(2, 3): the scaling and shift that take the middle and the distance of the eyes to dlib's."""
    eyes = FACE.points[:2]
    scale = np.ptp(CHIP_EYES[:, 0]) / np.ptp(eyes[:, 0])
    right, down = CHIP_EYES.mean(axis=0) - scale * eyes.mean(axis=0)
    return np.array([[scale, 0, right], [0, scale, down]])


def chip(image: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(150, 150, 3), RGB: an aligned face, moved by `matrix`."""
    if image.shape != (FACE.height, FACE.width, 3):
        raise click.ClickException(f"an image of {image.shape[:2]}; faces must be aligned to 112×96")
    moved = cv2.warpAffine(image, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(np.uint8, copy=False)


@click.command()
@click.argument("model")
@click.argument("faces")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--batch-size", default=16, show_default=True)
def main(model: str, faces: str, output: Path, batch_size: int) -> None:
    """Write embeddings (D = 128) of the aligned FACES by MODEL."""
    source, network, matrix = open_source(faces), dlib.face_recognition_model_v1(model), to_chip()
    vectors: list[npt.NDArray[np.float32]] = []
    for first in tqdm(range(0, len(source), batch_size)):
        indices = range(first, min(first + batch_size, len(source)))
        chips = [chip(source.pixels(index), matrix) for index in indices]
        vectors += [np.asarray(one, dtype=np.float32) for one in network.compute_face_descriptor(chips)]
    meta = {"model": "dlib_face_recognition_resnet_model_v1", "flip": "none", "nsface": __version__}
    save(output, Embeddings(list(source.names), np.stack(vectors), meta))


if __name__ == "__main__":
    main()
