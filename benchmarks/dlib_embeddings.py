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
from nsface.images.decode import decode
from nsface.images.sources import open_source

SIZE = 150
EYES = np.array([[30.2946, 51.6963], [65.5318, 51.5014]])  # of the SphereFace template
CHIP_EYES = np.array([[47.73, 47.12], [100.28, 47.11]])  # middle of the eye corners of dlib's mean face


def chip(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(150, 150, 3), RGB: an aligned face moved so that middle and distance of the eyes are dlib's."""
    if image.shape != (112, 96, 3):
        raise click.ClickException(f"an image of {image.shape[:2]}; faces must be aligned to 112×96")
    scale = np.ptp(CHIP_EYES[:, 0]) / np.ptp(EYES[:, 0])
    right, down = CHIP_EYES.mean(axis=0) - scale * EYES.mean(axis=0)
    matrix = np.array([[scale, 0, right], [0, scale, down]])
    return cv2.warpAffine(image, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)


@click.command()
@click.argument("model")
@click.argument("faces")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--batch-size", default=16, show_default=True)
def main(model: str, faces: str, output: Path, batch_size: int) -> None:
    """Write embeddings (D = 128) of the aligned FACES by MODEL."""
    source, network = open_source(faces), dlib.face_recognition_model_v1(model)
    vectors: list[npt.NDArray[np.float32]] = []
    count = len(source.names)
    for first in tqdm(range(0, count, batch_size)):
        indices = range(first, min(first + batch_size, count))
        chips = [chip(decode(source.read(index), source.names[index])) for index in indices]
        vectors += [np.asarray(one, dtype=np.float32) for one in network.compute_face_descriptor(chips)]
    meta = {"model": "dlib_face_recognition_resnet_model_v1", "flip": "none", "nsface": __version__}
    save(output, Embeddings(list(source.names), np.stack(vectors), meta))


if __name__ == "__main__":
    main()
