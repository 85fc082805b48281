"""The inputs of the golden results: made of whole numbers, so that every machine scores them alike.

Random numbers come from `RandomState.randint`, whose stream NumPy keeps for ever. Inner products of such
embeddings are exact in float32; what is left of rounding is that of a division.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from nsface.embeddings import Embeddings, load, save
from nsface.model import save_model
from tests.images.pictures import encoded
from tests.tiny_model import tiny_description

PEOPLE = [f"P{i:02d}" for i in range(20)]
FACES = [f"{person}/{person}_{i:04d}.jpg" for person in PEOPLE for i in range(1, 5)]
SUBJECTS = PEOPLE[:8]


def write_inputs(folder: Path) -> None:
    """Write every file that a command of test_golden.py names, under relative names, into `folder`."""
    _embeddings(folder)
    _verification_lists(folder)
    _fglfw(folder)
    _ytf(folder)
    _identification_lists(folder)
    _ijb(folder)
    _overlap(folder)
    _images(folder)
    _bin(folder)
    for number, name in enumerate(("softmax", "noisy")):
        write_run(folder / "runs" / name, number)


def write_embeddings(path: Path, names: list[str], noise: int, seed: int = 0) -> None:
    """Embeddings of size 16: for each person a direction of numbers up to 9, and noise up to `noise`."""
    random = np.random.RandomState(seed)
    people = sorted({name.split("/")[0] for name in names})
    centres = dict(zip(people, random.randint(-9, 10, (len(people), 16)), strict=True))
    vectors = random.randint(-noise, noise + 1, (len(names), 16))
    vectors += [centres[name.split("/")[0]] for name in names]
    save(path, Embeddings(names, vectors.astype(np.float32), {"flip": "sum"}))


def _embeddings(folder: Path) -> None:
    write_embeddings(folder / "faces.npz", FACES, noise=12)
    write_embeddings(folder / "worse.npz", FACES, noise=20, seed=1)
    write_embeddings(folder / "strangers.npz", [f"Q{i}/{j}.jpg" for i in range(9) for j in range(5)], 12, 5)
    faces = load(folder / "faces.npz")
    save(folder / "crops.npz", Embeddings([f"crops/{name}" for name in FACES], faces.vectors))
    zeroed = np.array(faces.vectors)
    zeroed[[3, 5]] = 0
    save(folder / "zeros.npz", Embeddings(FACES, zeroed))


def _overlap(folder: Path) -> None:
    """Training identities of whom each looks like the test person of the same place in the alphabet."""
    for name, people, noise in (
        ("train", ("Anna_Berg", "Bo_Ek", "n01", "n02", "n03"), 12),
        ("test", ("Anna_Berg", "Carl_Dahl", "Dora_Falk", "Eva_Gran", "Finn_Holm"), 16),
    ):
        images = [f"{person}/{i}.jpg" for person in people for i in range(3)]
        write_embeddings(folder / f"{name}.npz", images, noise, seed=2)
    (folder / "identities.txt").write_text('n01,"Dora_Falk"\nn02,"Nobody_Else"\n')
    for name, seeds in (("images", range(6)), ("shared", (3, 50))):
        names = [_place(seed) for seed in seeds]
        write_embeddings(folder / f"{name}.npz", names, noise=12, seed=14)
        for seed, image in zip(seeds, names, strict=True):
            path = folder / name / image
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(_picture(seed)))


def _place(seed: int) -> str:
    return f"id{seed // 2}/{seed}.png"


def _verification_lists(folder: Path) -> None:
    folds = [PEOPLE[start : start + 5] for start in range(0, 20, 5)]
    lines = [f"{len(folds)}\t5"]
    for people in folds:
        lines += [f"{person}\t1\t2" for person in people]
        lines += [f"{a}\t3\t{b}\t4" for a, b in zip(people, people[1:] + people[:1], strict=True)]
    _write(folder / "pairs.txt", lines)
    for name, people in (("train", PEOPLE[:10]), ("test", PEOPLE[10:])):
        matched = [f"{person}\t1\t2" for person in people]
        _write(
            folder / f"view1-{name}.txt",
            [
                "10",
                *matched,
                *(f"{a}\t1\t{b}\t1" for a, b in zip(people, people[1:] + people[:1], strict=True)),
            ],
        )
    _write(folder / "shared.txt", ["2\t1", "P00\t1\t2", "P00\t1\tP01\t2", "P00\t2\t1", "P02\t1\tP03\t2"])
    _write(folder / "errata.txt", ["P00/P00_0001.jpg P00/P00_0002.jpg 0"])
    own, given, cplfw = [], [], []
    for number, (a, b) in enumerate(zip(PEOPLE[::2], PEOPLE[1::2], strict=True)):
        for i in (2, 3, 4):
            for other, label in ((a, 1), (b, 0)):
                left, right = f"{a}/{a}_0001.jpg", f"{other}/{other}_{i:04d}.jpg"
                own.append(f"{left}\t{right}\t{label}")
                given.append(f"{left}\t{right}\t{label}\t{number // 2}")
                cplfw += [f"{left} {label * (1 + number)}", f"{right} {label * (1 + number)}"]
    _write(folder / "own.tsv", own)
    _write(folder / "folds.tsv", given)
    _write(folder / "few.tsv", own[:6])
    numbers = ((0, 1, 1), (2, 3, 1), (4, 5, 1), (0, 2, 0), (1, 4, 0), (3, 5, 0))
    _write(folder / "images.tsv", [f"{_place(a)}\t{_place(b)}\t{label}" for a, b, label in numbers])
    _write(folder / "cplfw.txt", cplfw)


def _fglfw(folder: Path) -> None:
    for name, count in (("fglfw", 300), ("like", 3)):
        lines, names = [], []
        for fold in range(10):
            people = [f"F{fold}P{k}" for k in range(count)]
            matched = [f"{person}/{i}.jpg" for person in people for i in (1, 2)]
            names += matched
            lines += matched
            for a, b in zip(people, people[1:] + people[:1], strict=True):
                lines += [f"{a}/1.jpg", f"{b}/2.jpg"]
        _write(folder / f"{name}.txt", lines)
        write_embeddings(folder / f"{name}.npz", names, noise=12, seed=3)
    write_embeddings(folder / "like-worse.npz", names, noise=20, seed=4)


def _ytf(folder: Path) -> None:
    lines = []
    for split in range(4):
        people = PEOPLE[5 * split : 5 * split + 5]
        for i, (a, b) in enumerate(zip(people, people[1:] + people[:1], strict=True)):
            lines.append(f"{split + 1}, {2 * i + 1}, {a}/0, {a}/1, 1")
            lines.append(f"{split + 1}, {2 * i + 2}, {a}/0, {b}/1, 0")
    _write(folder / "splits.txt", lines)
    videos = [f"{person}/{video}" for person in PEOPLE for video in (0, 1)]
    frames = [f"{video}/{video[-1]}.{frame}.jpg" for video in videos for frame in range(3)]
    write_embeddings(folder / "frames.npz", frames, noise=16, seed=6)
    write_embeddings(folder / "frames-worse.npz", frames, noise=25, seed=7)
    write_embeddings(folder / "templates.npz", videos, noise=9, seed=8)


def _identification_lists(folder: Path) -> None:
    def images(people: list[str], *numbers: int) -> list[str]:
        return [f"{person}/{person}_{i:04d}.jpg" for person in people for i in numbers]

    _write(folder / "people.txt", ["20", *(f"{person}\t4" for person in PEOPLE)])
    _write(folder / "subjects.txt", SUBJECTS)
    _write(folder / "gallery.txt", images(SUBJECTS, 1, 2))
    _write(folder / "probes.txt", images(SUBJECTS, 3, 4))
    _write(folder / "impostors.txt", images(PEOPLE[8:], 1, 2))
    for trial in (1, 2):
        lists = {
            "closed_gallery": images(SUBJECTS, trial),
            "closed_probe": images(SUBJECTS, 3),
            "open_gallery": images(SUBJECTS, trial),
            "open_genuine": images(SUBJECTS, 4),
        }
        for name, lines in lists.items():
            _write(folder / f"trial{trial}" / f"{name}.txt", lines)
    for name, wanted in (("gallery", images(SUBJECTS, 1)), ("probe", images(PEOPLE[:14], 2, 3))):
        lines = ["2"]
        for part in (wanted, wanted[: len(wanted) - 2]):
            lines += [str(len(part)), *(f"{i}, {image[4:]}" for i, image in enumerate(part, 1))]
        _write(folder / "blufr" / f"{name}_set.txt", lines)


def _ijb(folder: Path) -> None:
    names = [f"{person}/{i}.jpg" for person in PEOPLE[:12] for i in range(6)]
    _write(folder / "media.txt", [f"{name} {k // 3} {k // 2}" for k, name in enumerate(names)])
    _write(
        folder / "templates.txt", [f"{2 * i} {2 * j + 1} {int(i == j)}" for i in range(12) for j in range(12)]
    )
    write_embeddings(folder / "ijb.npz", names, noise=16, seed=9)
    write_embeddings(folder / "ijb-worse.npz", names, noise=30, seed=10)
    write_embeddings(folder / "ijb-some.npz", names[6:], noise=16, seed=11)


def _picture(seed: int) -> npt.NDArray[np.uint8]:
    """RGB pixels of 112 × 96 in squares of 16, redder than blue."""
    coarse = np.random.RandomState(seed).randint(0, 200, (7, 6, 3))
    coarse[..., 0] += 50
    return np.kron(coarse, np.ones((16, 16, 1), int)).astype(np.uint8)


def _images(folder: Path) -> None:
    """An image that is there twice, and a folder with faults of every kind."""
    single = folder / "images" / "id3"
    single.mkdir()
    (single / "equal.png").write_bytes(encoded(_picture(0)))
    (folder / "odd" / "id0").mkdir(parents=True)
    odd = {
        "0.png": encoded(_picture(0)),
        "1.png": encoded(_picture(1)),
        "blank.png": encoded(np.full((112, 96, 3), 90, np.uint8)),
        "grey.png": encoded(_picture(2)[..., 0]),
        "small.png": encoded(_picture(3)[:96, :80]),
        "swapped.png": encoded(_picture(4)[..., ::-1]),
        "text.png": b"no picture",
    }
    for name, data in odd.items():
        (folder / "odd" / "id0" / name).write_bytes(data)


def _bin(folder: Path) -> None:
    """A set of twenty pairs, a network to score it, and embeddings of it by two systems."""
    same = [k % 2 == 0 for k in range(20)]
    images = []
    for k, matched in enumerate(same):
        first, second = _picture(k), _picture(k if matched else 100 + k)
        noise = np.random.RandomState(k).randint(-40, 41, second.shape)
        images += [encoded(first), encoded(np.clip(second + noise, 0, 255).astype(np.uint8))]
    (folder / "easy.bin").write_bytes(pickle.dumps((images, same), 4))
    (folder / "again.bin").write_bytes((folder / "easy.bin").read_bytes())
    description = tiny_description()
    network = description.build()
    random = np.random.RandomState(0)
    with torch.no_grad():
        for weights in network.parameters():
            if weights.ndim > 1:
                drawn = torch.from_numpy(random.randint(-8, 9, tuple(weights.shape)))
                weights.copy_(drawn / (5 * weights[0].numel() ** 0.5))
    save_model(folder / "model.safetensors", network, description)
    people = [k if same[k // 2] or k % 2 == 0 else 100 + k for k in range(40)]
    for name, noise_to, seed in (("bin-good", 8, 12), ("bin-bad", 25, 13)):
        random = np.random.RandomState(seed)
        directions = {who: random.randint(-9, 10, 16) for who in range(200)}
        vectors = np.array([directions[who // 2 * 2 if who < 100 else who] for who in people])
        vectors = vectors + random.randint(-noise_to, noise_to + 1, vectors.shape)
        save(folder / f"{name}.npz", Embeddings([f"{k:06d}" for k in range(40)], vectors.astype(np.float32)))


def write_run(folder: Path, number: int) -> None:
    """A run folder as training leaves it, but for weights."""
    folder.mkdir(parents=True)
    head = ("softmax", "noisy-softmax")[number]
    (folder / "recipe.yaml").write_text(
        f"head: {{name: {head}}}\nnetwork: {{name: light-resnet}}\nexclude: []\nseed: 0\n"
    )
    environment = {"torch": "2.6", "images": 1234, "identities": 56}
    (folder / "environment.json").write_text(json.dumps(environment))
    fields = (
        "loss",
        "accuracy",
        "probability",
        "saturated",
        "gradient",
        "learning_rate",
        "images_per_second",
    )
    log = [{"step": step, **dict.fromkeys(fields, (number + 1) / step)} for step in range(8, 72, 8)]
    _write(folder / "log.jsonl", [json.dumps(line) for line in log])
    (folder / "model.safetensors").touch()


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
