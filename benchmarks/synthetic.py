"""How fast synthetic faces are made, and how hard they are.

    python benchmarks/synthetic.py [--workers 2] [--model runs/…/model.safetensors …]

Prints the SHA-256 of the pixels of 1,000 images, CPU time an image on one core, the time that `nsface synth`
takes, and a table of LFW-shaped and look-alike accuracy for raw pixels, for PCA fitted on the training set
and, with `--model`, for trained networks and for the first of them as it was before its training.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from sklearn.decomposition import PCA

from nsface.embeddings import Embeddings
from nsface.protocols.lfw import read_pairs
from nsface.protocols.trials import Trials, trials
from nsface.protocols.verification import verify
from nsface.synthetic import LfwSet, write_lfw_set, write_training_set
from nsface.synthetic.identity import TRAINING
from nsface.synthetic.production import Shot, pixels, produce
from nsface.synthetic.rendering import Size

CPU_IMAGES = 480
EACH, RUNS = 24, 3  # images of a person, repetitions


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=1500, help="of the sets that are timed")
    parser.add_argument("--identities", type=int, default=200, help="people PCA is fitted on")
    parser.add_argument("--images", type=int, default=20, help="images of each")
    parser.add_argument("--pairs", type=int, default=300, help="pairs of each kind in each of ten folds")
    parser.add_argument("--components", type=int, default=100, help="of PCA")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--model", nargs="*", default=[], help="trained networks to add to the table")
    options = parser.parse_args()

    digest = hashlib.sha256()
    for i in range(1000):
        digest.update(pixels(Shot("", TRAINING, i // 25, i % 25)).tobytes())
    print(f"pixels of 1,000 images: SHA-256 {digest.hexdigest()}")
    print(f"one core: {1e6 * cpu_seconds(25):.0f} µs of CPU an image, with JPEG")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for into, arguments in (
            ("a tar, one process", ["--tar", "--workers", "1"]),
            ("a tar", ["--tar"]),
            ("folders", []),
        ):
            times = [command_seconds(options.people, arguments) for _ in range(RUNS)]
            count, middle = options.people * EACH, median(times)
            print(
                f"nsface synth, {count} images into {into}: {middle:.1f} s "
                f"({min(times):.1f} to {max(times):.1f}), {count / middle:.0f} a second"
            )
        train = write_training_set(
            folder / "train", options.identities, options.images, workers=options.workers
        )
        made = write_lfw_set(folder, 10, options.pairs, workers=options.workers)
        images = sorted(path for path in made.images.rglob("*.jpg"))

        names = [path.relative_to(made.images).as_posix() for path in images]
        test = read(images)
        systems = {"raw pixels": Embeddings(names, test - 127.5)}
        pca = PCA(options.components, whiten=True, svd_solver="randomized", random_state=0)
        pca.fit(read(sorted(train.rglob("*.jpg"))))
        systems[f"PCA, {options.components} whitened"] = Embeddings(
            names, pca.transform(test).astype(np.float32)
        )
        if options.model:
            systems["network, untrained"] = embedded(untrained(options.model[0], folder), made)
        for model in options.model:
            systems[f"network, {Path(model).parent.name}"] = embedded(model, made)
        print(f"\n{'':24}{'LFW-shaped':>16}{'look-alikes':>16}")
        for title, embeddings in systems.items():
            lists = (read_pairs(made.pairs), read_look_alikes(made.look_alikes, options.pairs))
            print(f"{title:24}" + "".join(f"{accuracy(embeddings, pairs):>16}" for pairs in lists))


def command_seconds(people: int, arguments: list[str]) -> float:
    """Time of `nsface synth` for a training set of `people`, from start to end."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = f"--identities {people} --images-each {EACH} --lfw-pairs 0 --ytf-pairs 0".split()
        command = [sys.executable, "-m", "nsface", "synth", f"{folder}/faces", *sizes, *arguments, "--quiet"]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - start


def cpu_seconds(images: int) -> float:
    """CPU time to draw, render and encode one of so many images of each person: the least of five runs."""
    cv2.setNumThreads(1)
    shots = [Shot("", TRAINING, i // images, i % images) for i in range(CPU_IMAGES)]
    times: list[float] = []
    for _ in range(5):
        start = time.process_time()
        deque(produce(shots, 0, Size.H112_W96, workers=1), maxlen=0)
        times.append((time.process_time() - start) / len(shots))
    return min(times)


def read(paths: list[Path]) -> Any:
    """float32, N × pixels: the images at half their size, in grey."""
    small = [cv2.resize(np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)), (48, 56)) for path in paths]
    return np.stack(small).reshape(len(paths), -1).astype(np.float32)


def read_look_alikes(path: Path, pairs: int) -> Trials:
    """The two-line list, of any length: in each fold `pairs` of the same, then of different people."""
    lines = path.read_text().splitlines()
    numbered = enumerate(zip(lines[::2], lines[1::2], strict=True))
    listed = [(a, b, i // pairs % 2 == 0, i // (2 * pairs)) for i, (a, b) in numbered]
    return trials(listed, str(path))


def untrained(model: str, folder: Path) -> str:
    """A model file in `folder` with the weights that the training of `model` began with, by its recipe."""
    from nsface.model import read_model, save_model
    from nsface.run_folder import RunFolder
    from nsface.seeds import derived_seed

    recipe = RunFolder(Path(model).parent).load_recipe()
    torch.manual_seed(derived_seed(recipe.seed, "weights"))
    path = folder / "untrained.safetensors"
    save_model(path, recipe.network.build(recipe.input), read_model(model)[1])
    return str(path)


def embedded(model: str, made: LfwSet) -> Embeddings:
    from nsface.embeddings.extraction import extract
    from nsface.images.sources import open_source

    return extract(model, open_source(str(made.images))).embeddings


def accuracy(embeddings: Embeddings, pairs: Trials) -> str:
    kfold = verify("lfw", embeddings, pairs).kfold
    assert kfold is not None
    return f"{100 * kfold.accuracy:.2f} ± {100 * kfold.standard_error:.2f} %"


if __name__ == "__main__":
    main()
