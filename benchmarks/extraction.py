"""Speed of extraction from JPEG files, its start, its memory, and what each number format costs in score.

python benchmarks/extraction.py speed faces.tar                              the table, some 12 minutes
python benchmarks/extraction.py memory faces.tar                             10,000 and 100,000 images
python benchmarks/extraction.py lfw model.safetensors lfw.tar --pairs pairs.txt --calibration faces.tar

`speed` compares nsface with what people write by hand: a DataLoader of two workers that decodes with Pillow
and a network in float32, and ONNX Runtime with one image at a time. All of them embed the same files, without
the mirrored image; they are run in turns, and the table has the median of the repeats and their range. The
networks are untrained, with the statistics of faces in their batch normalisation. Needs torchvision's Pillow
and the extra `onnx`. Run it where nothing else runs.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import numpy.typing as npt
import torch

from nsface.device import PrecisionChoice
from nsface.embeddings.extraction import extract
from nsface.embeddings.model import Model, load_model
from nsface.evaluate import lfw as score_lfw
from nsface.images.pixels import load_pixels
from nsface.images.sources import open_source
from nsface.installation import source_commit
from nsface.model import Description, read_model, save_model
from nsface.preprocessing import Preprocessing
from nsface.vectors import unit

Vectors = npt.NDArray[np.float32]
Run = Callable[[], Vectors]
FILE = click.Path(path_type=Path)
BATCH = 128
NETWORKS = {
    "sphereface-20": Preprocessing(height=112, width=96, template="sphereface"),
    "iresnet-50": Preprocessing(height=112, width=112, template="arcface"),
}


@click.group()
def main() -> None:
    """Measure extraction."""
    processor = next(
        (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")),
        platform.machine(),
    )
    import onnxruntime

    versions = {
        "nsface": source_commit() or "without commit",
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "OpenCV": cv2.__version__,
        "Python": platform.python_version(),
    }
    click.echo(f"{processor}, {os.cpu_count()} cores; {', '.join(map(' '.join, versions.items()))}\n")


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


@main.command()
@click.argument("faces")
@click.option("--images", default=512, show_default=True, help="How many, a multiple of 128.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--network", "names", multiple=True, type=click.Choice(list(NETWORKS)), default=list(NETWORKS))
@click.option("--compiled/--not-compiled", default=True, help="Whether torch.compile is among the arms.")
def speed(faces: str, images: int, repeats: int, names: tuple[str, ...], compiled: bool) -> None:
    """Print the table of images per second."""
    click.echo(
        "| network | way | images/s | range | 1 − cosine to fp32, mean (largest) |\n|---|---|---|---|---|"
    )
    starts = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            model, files = prepare(Path(folder), name, faces, images)
            arms = ways(model, files, compiled)
            times, made = in_turns(arms, repeats)
            for way, seconds in times.items():
                rates = sorted(images / one for one in seconds)
                distance = 1 - (unit(made[way]) * unit(made["nsface fp32"])).sum(axis=1)
                click.echo(
                    f"| {name} | {way} | {statistics.median(rates):.1f} | {rates[0]:.1f} to {rates[-1]:.1f} "
                    f"| {distance.mean():.1g} ({distance.max():.1g}) |"
                )
            starts.append(start_up(model, files, repeats))
    click.echo("\nStart-up, one image from the command line: " + "; ".join(starts))


def prepare(folder: Path, name: str, faces: str, images: int) -> tuple[Path, Path]:
    """An untrained model, its ONNX files beside it, and a folder of JPEG files of its size."""
    size = NETWORKS[name]
    source = open_source(faces)
    pixels = np.asarray(load_pixels(source, range(images), 112, 96))
    margin = (size.width - 96) // 2
    pixels = np.pad(pixels, ((0, 0), (0, 0), (margin, margin), (0, 0)))
    files = folder / "faces"
    files.mkdir()
    for number, image in enumerate(pixels):
        cv2.imwrite(str(files / f"{number:06}.jpg"), image[..., ::-1])
    torch.manual_seed(0)
    description = untrained(name, size)
    network = description.build()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = None  # the statistics become those of the one batch
    with torch.no_grad():
        network.train()(size.normalise(torch.from_numpy(pixels[:64]).permute(0, 3, 1, 2).float()))
    model = folder / "model.safetensors"
    save_model(model, network, description)
    export(model, model.with_suffix(".onnx"))
    export(model, model.with_suffix(".int8.onnx"), "--int8", "--calibration-images", str(files))
    return model, files


def untrained(network: str, size: Preprocessing) -> Description:
    """What the file of an untrained model says."""
    return Description(
        network=network,
        network_arguments={},
        embedding_size=512,
        input=size,
        head="softmax",
        head_arguments={},
        identities=0,
        recipe_digest="",
    )


def export(model: Path, output: Path, *options: str) -> None:
    """Run `nsface export`."""
    command = [sys.executable, "-m", "nsface", "export", str(model), str(output), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def ways(model: Path, files: Path, compiled: bool) -> dict[str, Run]:
    """Each way to embed `files`, by its name in the table; what it needs is loaded already."""
    arms: dict[str, Run] = {
        "DataLoader and Pillow, fp32": plain_loop(model, files),
        "ONNX Runtime, one by one, fp32": one_by_one(model, files),
    }
    bf16 = load_model(model, device="cpu", precision="bf16")
    arms["nsface fp32"] = by_nsface(load_model(model, device="cpu", precision="fp32"), files)
    arms["nsface bf16"] = by_nsface(bf16, files)
    arms["nsface, ONNX fp32"] = by_nsface(load_model(model.with_suffix(".onnx"), device="cpu"), files)
    arms["nsface, ONNX int8"] = by_nsface(load_model(model.with_suffix(".int8.onnx"), device="cpu"), files)
    if compiled:
        arms["nsface bf16, compiled"] = by_nsface(frozen(bf16), files)
    return arms


def by_nsface(model: Model, files: Path) -> Run:
    """Extraction as `nsface extract --flip none` does it."""
    return lambda: np.asarray(extract(model, open_source(str(files)), flip="none").embeddings.vectors)


def frozen(model: Model) -> Model:
    """`model` compiled by torch.compile with constant weights; says how long that takes."""
    import torch._inductor.config as inductor

    inductor.freezing = True
    compiled: Any = torch.compile(model.network, dynamic=False)
    changed = dataclasses.replace(model, network=compiled)
    start = time.perf_counter()
    changed.embed(np.zeros((BATCH, model.input.height, model.input.width, 3), np.uint8), flip="none")
    click.echo(f"compilation: {time.perf_counter() - start:.0f} s", err=True)
    return changed


class Files(torch.utils.data.Dataset[torch.Tensor]):
    """The images of a folder, decoded by Pillow, normalised."""

    def __init__(self, files: Path, size: Preprocessing) -> None:
        self.paths, self.size = sorted(files.iterdir()), size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        from PIL import Image

        with Image.open(self.paths[index]) as image:
            pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float()
        return self.size.normalise(pixels[None])[0]


def plain_loop(model: Path, files: Path) -> Run:
    """What most evaluation scripts do."""
    network, description = read_model(model)
    network = network.to(memory_format=torch.contiguous_format)
    loader = torch.utils.data.DataLoader(Files(files, description.input), BATCH, num_workers=2)

    def run() -> Vectors:
        with torch.no_grad():
            return np.concatenate([network(images).numpy() for images in loader])

    return run


def one_by_one(model: Path, files: Path) -> Run:
    """What most examples of ONNX Runtime do."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.with_suffix(".onnx"))
    name, paths = session.get_inputs()[0].name, sorted(files.iterdir())
    size = read_model(model)[1].input
    assert (size.mean, size.std) == (127.5, 128.0)

    def embed(path: Path) -> Vectors:
        image = cv2.imread(str(path))
        assert image is not None
        blob = cv2.dnn.blobFromImage(image, 1 / 128, image.shape[1::-1], (127.5,) * 3, swapRB=True)
        return np.asarray(session.run(None, {name: blob})[0], np.float32)

    return lambda: np.concatenate([embed(path) for path in paths])


def in_turns(arms: dict[str, Run], repeats: int) -> tuple[dict[str, list[float]], dict[str, Vectors]]:
    """Seconds of each repeat of each arm, which are run in turns, and what each arm makes."""
    made = {way: run() for way, run in arms.items()}  # what is set up at the first call is not counted
    times: dict[str, list[float]] = {way: [] for way in arms}
    for _ in range(repeats):
        for way, run in arms.items():
            start = time.perf_counter()
            run()
            times[way].append(time.perf_counter() - start)
    return times, made


def start_up(model: Path, files: Path, repeats: int) -> str:
    """Wall and processor time of the extraction of one image by the command."""
    one = files.parent / "one"
    one.mkdir()
    os.link(next(files.iterdir()), one / "a.jpg")
    walls: list[float] = []
    used: list[float] = []
    for repeat in range(repeats):
        output = model.parent / f"{repeat}.npz"
        with processor_seconds(used):
            start = time.perf_counter()
            run_extract(model, one, output)
            walls.append(time.perf_counter() - start)
    network, wall, processor = read_model(model)[1].network, statistics.median(walls), statistics.median(used)
    return f"{network} {wall:.1f} s, of {processor:.1f} s of processor time"


def run_extract(model: Path, images: Path, output: Path) -> None:
    """Run `nsface extract`."""
    command = [sys.executable, "-m", "nsface", "extract", str(model), str(images), "-o", str(output)]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def processor_seconds(into: list[float]) -> Iterator[None]:
    """Append to `into` the processor time of child processes that end inside."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    into.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


@main.command()
@click.argument("faces")
@click.option("--counts", default="10000,100000", show_default=True)
def memory(faces: str, counts: str) -> None:
    """Print the most memory that an extraction takes, of one face as often as `--counts` says."""
    source = open_source(faces)
    for count in map(int, counts.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            images = Path(folder) / "faces"
            images.mkdir()
            (images / "0000000.jpg").write_bytes(source.read(0))
            for number in range(1, count):
                os.link(images / "0000000.jpg", images / f"{number:07}.jpg")
            model = Path(folder) / "model.safetensors"
            description = untrained("light-resnet", NETWORKS["sphereface-20"])
            save_model(model, description.build(), description)
            run_extract(model, images, Path(folder) / "made.npy")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        click.echo(f"{count:,} images, .npy: at most {peak:.2f} GiB")


@main.command()
@click.argument("model", type=FILE)
@click.argument("faces")
@click.option("--pairs", type=FILE, required=True)
@click.option("--calibration", required=True, help="Images for the ranges of the 8-bit network.")
def lfw(model: Path, faces: str, pairs: Path, calibration: str) -> None:
    """Print the accuracy of a trained model on LFW in each number format."""
    click.echo("| format | LFW accuracy | 1 − cosine to fp32, mean (largest) |\n|---|---|---|")
    exact = None
    with tempfile.TemporaryDirectory() as folder:
        onnx, int8 = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        export(model, onnx)
        export(model, int8, "--int8", "--calibration-images", calibration)
        formats: list[tuple[str, Path, PrecisionChoice]] = [
            ("fp32", model, "fp32"),
            ("bf16", model, "bf16"),
            ("ONNX fp32", onnx, "auto"),
            ("ONNX int8", int8, "auto"),
        ]
        for name, file, precision in formats:
            loaded = load_model(file, device="cpu", precision=precision)
            made = extract(loaded, open_source(faces)).embeddings
            vectors = unit(np.asarray(made.vectors))
            exact = vectors if exact is None else exact
            distance = 1 - (vectors * exact).sum(axis=1)
            accuracy = score_lfw(made, pairs=pairs).accuracy
            assert accuracy is not None
            click.echo(f"| {name} | {100 * accuracy:.2f} % | {distance.mean():.1g} ({distance.max():.1g}) |")


if __name__ == "__main__":
    main()
