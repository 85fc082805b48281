"""All readers of what others wrote: how each is called, and sound inputs to damage.

A reader is given a folder with the damaged files. It may return, or raise an NsfaceError; nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.fuzz import seeds
from tests.fuzz.mutations import Files
from tests.fuzz.packs import tarred, untarred, unzipped, zipped

Read = Callable[[Path], object]


@dataclass(frozen=True)
class Parser:
    """A reader and its inputs.

    Attributes:
        read: called with the folder of the files.
        inputs: makes the sound inputs.
        finish: makes the files of what was damaged: parts into their container, for example.
        slow: thousands of runs take long; the suite does fewer.
        may_refuse: the inputs are of a form that need not be read.
    """

    read: Read
    inputs: Callable[[], Sequence[Files]]
    finish: Callable[[Files], Files] = dict
    slow: bool = False
    may_refuse: bool = False


def _one(name: str, *contents: bytes) -> Callable[[], list[Files]]:
    return lambda: [{name: content} for content in contents]


def _made(write: Callable[[Path], object]) -> Callable[[], list[Files]]:
    return lambda: [seeds.written(write)]


def _parts(
    name: str, apart: Callable[[bytes], Files], *writes: Callable[[Path], object]
) -> Callable[[], list[Files]]:
    return lambda: [apart(seeds.written(write)[name]) for write in writes]


def _joined(name: str, join: Callable[[Files], bytes]) -> Callable[[Files], Files]:
    return lambda parts: {name: join(parts)}


def recipe(folder: Path) -> object:
    from nsface.recipe.schema import load_recipe

    return load_recipe(folder / "r.yaml").to_yaml()


def override(folder: Path) -> object:
    from nsface.recipe.text import parse_value

    return parse_value((folder / "value").read_bytes().decode("utf-8", "surrogateescape"))


def model(folder: Path) -> object:
    from nsface.model import read_model

    return read_model(folder / "m.safetensors")


def weights_of_others(folder: Path) -> object:
    from nsface.importing.recognition import recognise
    from nsface.importing.weights_file import read_tensors

    return recognise(read_tensors(folder / "w.pth"), "w.pth")


def onnx_model(folder: Path) -> object:
    from nsface.onnx.file import metadata, read_onnx
    from nsface.onnx.graph import check_operations, drop_needless_inputs, free_batch, image_input, precision

    model, _ = read_onnx(folder / "m.onnx")
    check_operations(model, "m.onnx")
    drop_needless_inputs(model)
    found = metadata(model, "m.onnx"), image_input(model, "m.onnx"), precision(model)
    free_batch(model, 1)
    return found, model.SerializeToString()


def checkpoint(folder: Path) -> object:
    import torch

    from nsface.training.checkpoint import load_checkpoint

    return load_checkpoint(folder / "c.pt", torch.device("cpu"))


def run(folder: Path) -> object:
    from nsface.report.runs import read_runs

    return read_runs([folder])


def log(folder: Path) -> object:
    from nsface.run_folder import RunFolder

    return RunFolder(folder).read_log()


def embeddings(name: str, folder: Path) -> object:
    from nsface.embeddings import load

    return load(folder / name)


def array_header(folder: Path) -> object:
    from nsface.untrusted import read_array_header

    data = (folder / "a.npy").read_bytes()
    return read_array_header(io.BytesIO(data), len(data), "a.npy")


def json_text(folder: Path) -> object:
    from nsface.untrusted import parse_json

    return parse_json((folder / "j.json").read_bytes(), "j.json")


def overlap_names(folder: Path) -> object:
    from nsface.embeddings.identity_names import read_names

    return read_names(folder / "l.txt")


def lfw_pairs(folder: Path) -> object:
    from nsface.protocols.lfw import read_pairs

    return read_pairs(folder / "l.txt")


def people(folder: Path) -> object:
    from nsface.protocols.lfw import read_people

    return read_people(folder / "l.txt")


def subjects(folder: Path) -> object:
    from nsface.protocols.identification_lists import read_subjects
    from nsface.protocols.lfw import Person

    return read_subjects(folder / "l.txt", [Person(f"P{i}", 3) for i in range(4)])


def fglfw(folder: Path) -> object:
    from nsface.protocols.fglfw import read_pairs

    return read_pairs(folder / "l.txt")


def splits(folder: Path) -> object:
    from nsface.protocols.ytf import read_splits

    return read_splits(folder / "l.txt")


def own_pairs(folder: Path) -> object:
    from nsface.protocols.pairs import read_pairs, with_disjoint_folds

    return with_disjoint_folds(read_pairs(folder / "l.txt"))


def own_lists(folder: Path) -> object:
    from nsface.protocols.identification_lists import own_trial

    return own_trial(folder / "g.txt", folder / "p.txt", folder / "i.txt")


def given_lists(folder: Path) -> object:
    from nsface.protocols.identification_lists import given_trial

    return given_trial(folder, seeds.NAMES)


def ijb(folder: Path) -> object:
    from nsface.protocols.templates import read_faces, read_template_pairs

    return read_template_pairs(folder / "pairs.txt", read_faces(folder / "faces.txt"))


def blufr(name: str, folder: Path) -> object:
    from nsface.protocols.blufr_lists import read_trials

    return read_trials(folder / name)


def landmarks(folder: Path) -> object:
    from nsface.images.alignment.landmarks import read_landmarks

    return read_landmarks(folder / "l.txt")


def inspections(folder: Path) -> object:
    from nsface.report.inspections import facts, read_inspections

    return [facts(result) for result in read_inspections([folder / "i.json"])]


def threshold(folder: Path) -> object:
    from nsface.results import read_threshold

    return read_threshold(folder / "t.json").table()


def source(name: str, folder: Path) -> object:
    """Open a set of images and do what training does with it: names, identities, fingerprints, pixels."""
    from nsface.errors import NsfaceError
    from nsface.images.sources import open_source

    opened = open_source(str(folder / name))
    found: list[object] = [
        list(opened.identities),
        opened.unread_note,
        opened.remarks,
        opened.dated_fingerprint(),
    ]
    for index in range(min(len(opened), 4)):
        try:
            found.append(opened.pixels(index).shape)
        except (NsfaceError, OSError) as error:  # both documented
            found.append(error)
    return found


def decoded(folder: Path) -> object:
    from nsface.images.decode import check_image, decode

    data = (folder / "image").read_bytes()
    check_image(data, "image")
    return decode(data, "image")


def size(folder: Path) -> object:
    from nsface.images.dimensions import dimensions

    return dimensions((folder / "image").read_bytes())


def _pictures() -> list[Files]:
    return [{"image": seeds.picture(extension)} for extension in (".jpg", ".png", ".bmp", ".webp", ".tif")]


def _image_list() -> list[Files]:
    pictures = {f"p{i}/{i}.jpg": seeds.picture(seed=i) for i in range(3)}
    plain = "".join(f"{name}\n" for name in pictures).encode()
    labelled = "".join(f"{name}\t{name[0]}\n" for name in pictures).encode()
    return [{"list.txt": plain} | pictures, {"list.txt": labelled} | pictures]


def _inspection() -> list[Files]:
    def write(folder: Path) -> None:
        import json

        from nsface.images.inspection.result import inspect
        from nsface.images.inspection.scan import scan
        from nsface.images.sources import open_source

        for i in range(4):
            (folder / f"p{i % 2}").mkdir(exist_ok=True)
            (folder / f"p{i % 2}" / f"{i}.jpg").write_bytes(seeds.picture(seed=i))
        images = open_source(str(folder))
        (folder / "i.json").write_text(json.dumps(inspect(images, scan(images, 1)).to_json()))

    return [{"i.json": seeds.written(write)["i.json"]}]


_NPZ = seeds.embeddings(".npz")
_SAFE = seeds.model
_IDENTIFICATION: Files = {
    name: "".join(f"{line}\n" for line in seeds.NAMES[i : i + 4]).encode()
    for i, name in enumerate(
        ("closed_gallery.txt", "closed_probe.txt", "open_gallery.txt", "open_genuine.txt")
    )
}
_OWN_LISTS: Files = dict.fromkeys(("g.txt", "p.txt", "i.txt"), b"P0/P0_0001.jpg\nP1/a.jpg\tP1\n")

PARSERS: dict[str, Parser] = {
    "recipe": Parser(recipe, _one("r.yaml", *seeds.RECIPES)),
    "override": Parser(override, _one("value", b"0.5", b"[1, 2]", b"{a: 1, b: x}", b"text")),
    "model": Parser(model, _made(_SAFE)),
    "weights": Parser(weights_of_others, _made(seeds.weights)),
    "weights-parts": Parser(
        weights_of_others, _parts("w.pth", unzipped, seeds.weights), _joined("w.pth", zipped)
    ),
    "onnx": Parser(onnx_model, _made(seeds.onnx_model)),
    "checkpoint": Parser(checkpoint, _made(seeds.checkpoint)),
    "checkpoint-parts": Parser(
        checkpoint, _parts("c.pt", unzipped, seeds.checkpoint), _joined("c.pt", zipped)
    ),
    "run": Parser(run, _made(seeds.run_folder)),
    "log": Parser(log, lambda: [{"log.jsonl": seeds.written(seeds.run_folder)["log.jsonl"]}]),
    "npz": Parser(partial(embeddings, "e.npz"), _made(_NPZ)),
    "npz-parts": Parser(
        partial(embeddings, "e.npz"), _parts("e.npz", unzipped, _NPZ), _joined("e.npz", zipped)
    ),
    "npy": Parser(partial(embeddings, "e.npy"), _made(seeds.embeddings(".npy"))),
    "csv": Parser(
        partial(embeddings, "e.csv"),
        _one("e.csv", b"name,a,b\nP0/1.jpg,1,2\nP0/2.jpg,0.5,-1e3\n"),
        may_refuse=True,
    ),
    "npy-header": Parser(
        array_header, lambda: [{"a.npy": data} for data in unzipped(seeds.written(_NPZ)["e.npz"]).values()]
    ),
    "json": Parser(json_text, _one("j.json", b'{"a": [1, 2.5, "x", null], "b": {"c": true}}')),
    "overlap-names": Parser(overlap_names, _one("l.txt", b"0\tP0\n1\tP1\n", b"0 Ann\n1 Bob\n")),
    "lfw-pairs": Parser(lfw_pairs, _one("l.txt", seeds.LFW_PAIRS)),
    "people": Parser(people, _one("l.txt", seeds.PEOPLE)),
    "subjects": Parser(subjects, _one("l.txt", b"P0\nP1\nP2\n")),
    "fglfw": Parser(fglfw, _one("l.txt", seeds.FGLFW)),
    "splits": Parser(splits, _one("l.txt", seeds.SPLITS)),
    "pairs": Parser(own_pairs, _one("l.txt", seeds.OWN)),
    "pairs-two-lines": Parser(own_pairs, _one("l.txt", seeds.CPLFW)),
    "own-lists": Parser(own_lists, lambda: [_OWN_LISTS]),
    "given-lists": Parser(given_lists, lambda: [_IDENTIFICATION]),
    "ijb": Parser(ijb, lambda: [{"faces.txt": seeds.IJB_FACES, "pairs.txt": seeds.IJB_PAIRS}]),
    "blufr-text": Parser(partial(blufr, "."), lambda: [seeds.BLUFR_TEXT]),
    "blufr-mat": Parser(
        partial(blufr, "b.mat"),
        lambda: [{"b.mat": data} for data in seeds.written(seeds.mat).values()],
        slow=True,
    ),
    "landmarks": Parser(landmarks, _one("l.txt", seeds.LANDMARKS)),
    "inspections": Parser(inspections, _inspection),
    "threshold": Parser(threshold, _one("t.json", seeds.THRESHOLD)),
    "image-list": Parser(partial(source, "list.txt"), _image_list),
    "tar": Parser(partial(source, "f.tar"), lambda: [{"f.tar": data} for data in seeds.tars()]),
    "tar-parts": Parser(
        partial(source, "f.tar"), lambda: [untarred(data) for data in seeds.tars()], _joined("f.tar", tarred)
    ),
    "rec": Parser(partial(source, "train.rec"), _made(seeds.rec)),
    "bin": Parser(partial(source, "f.bin"), lambda: _one("f.bin", seeds.faces_bin(), seeds.faces_bin_2())()),
    "parquet": Parser(partial(source, "p.parquet"), _made(seeds.parquet)),
    "lmdb": Parser(partial(source, "."), _made(seeds.lmdb), slow=True),
    "store": Parser(partial(source, "store"), _made(seeds.store(encoded=False))),
    "store-encoded": Parser(partial(source, "store"), _made(seeds.store(encoded=True))),
    "decode": Parser(decoded, _pictures),
    "dimensions": Parser(size, _pictures),
}
