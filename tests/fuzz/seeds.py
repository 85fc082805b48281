"""Sound inputs, each as its files; made by nsface itself or by the library that owns the format."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.fuzz.mutations import Files
from tests.fuzz.packs import tarred

NAMES = [f"P{person}/P{person}_{image:04d}.jpg" for person in range(4) for image in (1, 2, 3)]


def picture(extension: str = ".jpg", seed: int = 0, height: int = 24, width: int = 20) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    done, data = cv2.imencode(extension, cv2.resize(small, (width, height)))
    assert done
    return data.tobytes()


def written(write: Callable[[Path], Any]) -> Files:
    """The files that `write` leaves in an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != "lock.mdb"
        }


def network(**options: Any) -> Any:
    from nsface import networks

    return networks.build("light-resnet", height=32, width=32, embedding_size=4, channels=16, **options)


def onnx_model(folder: Path) -> None:
    from tests.onnx.made import recogniser

    recogniser(
        folder / "m.onnx",
        batch=1,
        reshape=(1, 192),
        weights_as_inputs=True,
        metadata={"nsface": '{"input": {}}'},
    )


def model(folder: Path) -> None:
    from nsface.model import Description, save_model
    from nsface.preprocessing import Preprocessing

    save_model(
        folder / "m.safetensors",
        network(),
        Description(
            network="light-resnet",
            network_arguments={"channels": 16},
            embedding_size=4,
            input=Preprocessing(height=32, width=32),
            head="softmax",
            head_arguments={},
            identities=3,
            recipe_digest="0" * 64,
        ),
    )


def weights(folder: Path) -> None:
    """The smallest network that is recognised, in a checkpoint as Lightning makes it."""
    import torch

    from nsface import networks

    made = networks.build("sphereface-4", height=16, width=16, embedding_size=4)
    state = {f"model.{name}": tensor.half() for name, tensor in made.state_dict().items()}
    torch.save({"epoch": 1, "state_dict": state | {"head.kernel": torch.zeros(4, 3)}}, folder / "w.pth")


def checkpoint(folder: Path) -> None:
    import torch

    parts: dict[str, dict[str, Any]] = {
        key: {"a": torch.zeros(3)} for key in ("network", "head", "auxiliary")
    }
    parts["meter"] = {"sums": torch.zeros(3), "samples": 1}
    parts["optimizer"] = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": []}
    torch.save({"step": 3} | parts, folder / "c.pt")


RECIPE = b"""\
data: faces/
network: {name: light-resnet, embedding_size: 8, channels: 16, activation: prelu}
head: {name: noisy-softmax, alpha2: 0.1}
input: {height: 32, width: 32}
epochs: 2
batch_size: 8
seed: 1
exclude: [a, b]
optimizer: {learning_rate: 0.1, momentum: 0.9, weight_decay: 5.0e-4}
schedule: {kind: step, milestones: [0.5, 0.8], warmup: 1}
device: cpu
precision: fp32
"""
ALIASES = b"""\
head: &h {name: softmax}
network: {name: sphereface-4}
data: &d faces.tar
exclude: [*d, b, *d]
epochs: 1
"""
RECIPES = [RECIPE, ALIASES]


def run_folder(folder: Path) -> None:
    """What `read_runs` reads; one result of each kind of number."""
    (folder / "recipe.yaml").write_bytes(RECIPE)
    (folder / "environment.json").write_text(
        json.dumps({"data": "0" * 64, "images": 6, "identities": 3, "nsface": "0"})
    )
    line = {
        "step": 1,
        "epoch": 0,
        "loss": 1.5,
        "accuracy": 0.5,
        "learning_rate": 0.1,
        "images_per_second": 9.0,
    }
    lines = [json.dumps(line | {"step": step, "saturation": 0.1, "gradient_norm": 1.0}) for step in (1, 2, 3)]
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n")
    result = {
        "protocol": "lfw",
        "accuracy": 0.9,
        "standard_error": 0.01,
        "confidence_interval": [0.8, 0.95],
        "auc": 0.9,
        "eer": 0.1,
        "pairs": 6,
        "genuine": 3,
        "similarity": "cosine",
        "folds": [{"accuracy": 0.9, "threshold": 0.1, "pairs": 3}],
        "tar_at_far": [{"far": 0.01, "tar": 0.5, "achieved_far": 0.0, "threshold": 0.3, "impostors": 9}],
        "curves": {"roc": {"far": [0.0, 0.5, 1.0], "tar": [0.0, 0.8, 1.0]}},
        "embeddings": "e.npz",
        "flip": "sum",
    }
    (folder / "lfw.json").write_text(json.dumps(result))
    (folder / "overlap.json").write_text(
        json.dumps({"0" * 64: {"images": 6, "found": ["a"], "found_by": {"names": ["a"]}}})
    )


def embeddings(suffix: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        from nsface.embeddings import Embeddings, save

        vectors = np.random.default_rng(0).normal(size=(len(NAMES), 4)).astype(np.float32)
        save(folder / f"e{suffix}", Embeddings(NAMES, vectors, {"flip": "sum", "model": "0" * 64}))

    return write


def faces_bin() -> bytes:
    images = [picture(seed=i) for i in range(8)]
    return pickle.dumps((images, [i % 2 == 0 for i in range(4)]), 4)


def faces_bin_2() -> bytes:
    out = io.BytesIO()
    out.write(b"\x80\x02]q\x00(")
    for i in range(8):
        image = picture(seed=i)
        out.write(b"T" + len(image).to_bytes(4, "little") + image + b"q" + bytes([i + 1]))
    out.write(b"e]q\xf0(" + b"\x88\x89" * 2 + b"e\x86q\xf1.")
    return out.getvalue()


def rec(folder: Path) -> None:
    def record(key: int, labels: list[float], body: bytes) -> bytes:
        many = len(labels) > 1
        values = struct.pack(f"<{len(labels)}f", *labels) if many else b""
        data = (
            struct.pack("<IfQQ", len(labels) if many else 0, -1.0 if many else labels[0], key, 0)
            + values
            + body
        )
        return struct.pack("<II", 0xCED7230A, len(data)) + data + bytes(-len(data) % 4)

    records = [record(0, [7.0, 9.0], b"")]
    records += [record(key, [float((key - 1) // 3)], picture(seed=key)) for key in range(1, 7)]
    records += [record(7, [1.0, 4.0], b""), record(8, [4.0, 7.0], b"")]
    place, index = 0, []
    for key, data in enumerate(records):
        index.append(f"{key}\t{place}\n")
        place += len(data)
    (folder / "train.rec").write_bytes(b"".join(records))
    (folder / "train.idx").write_text("".join(index))


def tars() -> list[bytes]:
    plain = {f"faces/p{i % 3}/{i}.jpg": picture(seed=i) for i in range(6)}
    web: Files = {}
    for i in range(6):
        web[f"{i:04d}.jpg"] = picture(seed=i)
        web[f"{i:04d}.cls"] = str(i % 3).encode()
    described: Files = {}
    for i in range(4):
        described[f"{i:04d}.jpg"] = picture(seed=i)
        described[f"{i:04d}.json"] = json.dumps({"label": i % 2}).encode()
    return [tarred(plain), tarred(web), tarred(described)]


def parquet(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": picture(seed=i), "path": f"{i}.jpg"} for i in range(6)], kind)
    pq.write_table(
        pa.table({"image": images, "label": pa.array([i % 3 for i in range(6)])}), folder / "p.parquet"
    )


def lmdb(folder: Path) -> None:
    import lmdb as library

    with library.open(str(folder), map_size=1 << 20) as environment, environment.begin(write=True) as write:
        for i in range(6):
            write.put(f"p{i % 2}/{i}.jpg".encode(), picture(seed=i))


def store(encoded: bool) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        from nsface.images.sources import open_source
        from nsface.images.store.packing import pack

        with tempfile.TemporaryDirectory() as name:
            for i in range(6):
                path = Path(name) / f"p{i % 3}" / f"{i}.jpg"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(picture(seed=i))
            pack(open_source(name), folder / "store", encoded=encoded)

    return write


def mat(folder: Path) -> None:
    from scipy.io import savemat

    cells: dict[str, Any] = {"imageList": np.array([[name.split("/")[1]] for name in NAMES], dtype=object)}
    for key, first in (("galIndex", 1.0), ("probIndex", 2.0)):
        cells[key] = np.empty((2, 1), dtype=object)
        for trial in (0, 1):
            cells[key][trial, 0] = np.array([first, first + 3, first + 6])[:, None]
    savemat(folder / "b.mat", cells, do_compression=False)
    savemat(folder / "c.mat", cells, do_compression=True)


LFW_PAIRS = (
    b"2\t2\nP0\t1\t2\nP1\t1\t2\nP0\t1\tP1\t1\nP1\t2\tP0\t3\nP2\t1\t2\nP3\t1\t2\nP2\t1\tP3\t1\nP3\t2\tP2\t3\n"
)
PEOPLE = b"2\n2\nP0\t3\nP1\t3\n2\nP2\t3\nP3\t3\n"
_FOLD = ["P0/P0_0001.jpg", "P0/P0_0002.jpg", "P1/P1_0001.jpg", "P2/P2_0001.jpg"]
FGLFW = "".join(f"{name}\n" for name in 10 * _FOLD).encode()
SPLITS = (
    b"split number, first name, second name, is same\n1, 1, P0/0, P0/1, 1\n1, 2, P0/0, P1/0, 0\n"
    b"2, 1, P2/0, P2/1, 1\n2, 2, P2/0, P3/1, 0\n"
)
OWN = "".join(f"{NAMES[3 * i]}\t{NAMES[3 * i + 1]}\t{i % 2}\t{i}\n" for i in range(4)).encode()
CPLFW = b"P0_1.jpg 1\nP0_2.jpg 1\nP1_1.jpg 0\nP2_1.jpg 0\n"
IJB_FACES = b"".join(b"%d.jpg %d %d\n" % (i, i // 2, i // 3) for i in range(8))
IJB_PAIRS = b"0 1 1\n0 2 0\n1 3 0\n2 3 1\n"
POINTS = [30.3, 51.7, 65.5, 51.5, 48.0, 71.7, 33.5, 92.4, 62.7, 92.2]
THRESHOLD = b"""{"protocol": "threshold", "threshold": 0.3, "similarity": "cosine", "transform": "none",
"kind": "fpir", "target": 0.01, "guaranteed": true, "achieved": 0.01, "upper_bound": 0.02, "confidence": 0.95,
"method": "m", "impostors": 3000, "errors": 30, "people": 40, "genuine": 9, "fnir": 0.1,
"fnir_interval": [0.05, 0.2], "gallery_size": 5, "list": "l.txt", "preprocessing": {"mean": [127.5]}}"""
LANDMARKS = "".join(f"{NAMES[i]}\t" + "\t".join(f"{x + i}" for x in POINTS) + "\n" for i in range(3)).encode()
BLUFR_TEXT: Files = {
    "gallery_set.txt": b"2\n2\n1, P0_0001.jpg\n4, P1_0001.jpg\n1\n1, P0_0001.jpg\n",
    "probe_set.txt": b"2\n2\n2, P0_0002.jpg\n5, P1_0002.jpg\n1\n8, P2_0002.jpg\n",
}
