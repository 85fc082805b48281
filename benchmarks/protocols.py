"""Speed of the protocols: a large gallery, pairs as many as IJB's, whole commands.

python benchmarks/protocols.py search [--gallery 1000000] [--probes 10000]
python benchmarks/protocols.py ijb [--pairs 15000000]
python benchmarks/protocols.py commands pairs.txt people.txt subjects.txt TRIAL...
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

from nsface.embeddings import Embeddings, save
from nsface.metrics.search import Gallery, find, highest
from nsface.protocols import ijb

BLOCK = 8192


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@click.group()
def main() -> None:
    """Measure; run it where nothing else runs."""


@main.command()
@click.option("--gallery", "size", default=1_000_000, show_default=True)
@click.option("--probes", "count", default=10_000, show_default=True)
@click.option("--dimension", default=512, show_default=True)
def search(size: int, count: int, dimension: int) -> None:
    """Probes against a memory-mapped gallery; FAISS too where it is installed."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gallery.npy"
        mapped = np.lib.format.open_memmap(path, "w+", np.float32, (size, dimension))
        for start in range(0, size, 1 << 16):
            stop = min(start + (1 << 16), size)
            mapped[start:stop] = random.normal(size=(stop - start, dimension))
        mapped.flush()
        mates = random.permutation(size)[:count]
        probes = (mapped[mates] + random.normal(size=(count, dimension))).astype(np.float32)
        del mapped
        vectors, rows = np.load(path, mmap_mode="r"), np.arange(size)
        gallery = Gallery(vectors, rows, rows)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        genuine = seconds(lambda: find(gallery, probes, mates))
        impostors = seconds(lambda: highest(gallery, probes))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        click.echo(f"peak memory {memory / 2**20:.2f} GiB (before the searches {before / 2**20:.2f})")
        bare = seconds(lambda: bare_product(vectors, probes))
        click.echo(
            f"bare blocked product {bare:.1f} s = {2e-9 * size * count * dimension / bare:.0f} Gflop/s"
        )
        for name, took in (("genuine probes", genuine), ("impostors", impostors)):
            click.echo(f"{name} {took:.1f} s = {100 * bare / took:.0f} % of the product's speed")
        try:
            import faiss
        except ImportError:
            click.echo("faiss is not installed: no comparison")
            return
        index = faiss.IndexFlatIP(dimension)
        for start in range(0, size, 1 << 16):
            index.add(np.array(vectors[start : start + (1 << 16)]))
        took = seconds(lambda: index.search(probes, 1))
        click.echo(f"faiss {faiss.__version__} exact inner product, top 1: {took:.1f} s")


def bare_product(vectors: np.ndarray, probes: np.ndarray) -> None:
    """All scores in float32, a block at a time, and nothing done with them."""
    out = np.empty((1024, BLOCK), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        columns = np.array(vectors[start : start + BLOCK]).T
        for first in range(0, len(probes), 1024):
            part = probes[first : first + 1024]
            np.matmul(part, columns, out=out[: len(part), : columns.shape[1]])


@main.command("ijb")
@click.option("--pairs", "count", default=15_000_000, show_default=True)
@click.option("--templates", default=23_124, show_default=True)
@click.option("--faces", default=469_375, show_default=True)
@click.option("--dimension", default=512, show_default=True)
def ijb_pairs(count: int, templates: int, faces: int, dimension: int) -> None:
    """IJB-C's sizes: read the lists, pool, score, ROC."""
    random = np.random.default_rng(0)
    template = np.concatenate([np.arange(templates), random.integers(0, templates, faces - templates)])
    with tempfile.TemporaryDirectory() as folder:
        meta, pairs = Path(folder) / "faces.txt", Path(folder) / "pairs.txt"
        meta.write_text("".join(f"{i}.jpg {t} {i // 3}\n" for i, t in enumerate(template.tolist())))
        with pairs.open("w") as file:
            for start in range(0, count, 1 << 20):
                n = min(1 << 20, count - start)
                rows = np.column_stack([random.integers(0, templates, (n, 2)), random.random(n) < 0.001])
                file.write("\n".join(f"{a} {b} {c}" for a, b, c in rows.tolist()) + "\n")
        vectors = random.normal(size=(faces, dimension)).astype(np.float32)
        embeddings = Embeddings([f"{i}.jpg" for i in range(faces)], vectors)
        start_time = time.perf_counter()
        known = ijb.read_faces(meta)
        wanted = ijb.read_template_pairs(pairs, known)
        click.echo(f"lists read after {time.perf_counter() - start_time:.1f} s")
        pooled = ijb.template_vectors(embeddings, known)
        click.echo(f"templates pooled after {time.perf_counter() - start_time:.1f} s")
        scores = ijb.score_templates(pooled, wanted)
        click.echo(f"pairs scored after {time.perf_counter() - start_time:.1f} s")
        ijb.result(known, wanted, ijb.curve_of(scores, wanted))
        click.echo(f"{count} pairs: {time.perf_counter() - start_time:.1f} s in all")
        click.echo(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


@main.command()
@click.argument("pairs", type=click.Path(path_type=Path))
@click.argument("people", type=click.Path(path_type=Path))
@click.argument("subjects", type=click.Path(path_type=Path))
@click.argument("trials", type=click.Path(path_type=Path), nargs=-1)
def commands(pairs: Path, people: Path, subjects: Path, trials: tuple[Path, ...]) -> None:
    """Whole processes on random 512-wide embeddings of all of LFW: eval-lfw, eval-ident."""
    from nsface.protocols.lfw import image, read_people

    everyone = [person for fold in read_people(people) for person in fold]
    names = [image(person.name, i) for person in everyone for i in range(1, person.images + 1)]
    vectors = np.random.default_rng(0).normal(size=(len(names), 512)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "lfw.npz")
        save(path, Embeddings(names, vectors, {"flip": "none"}))
        lists = [argument for trial in trials for argument in ("--lists", str(trial))]
        for arguments in (
            ["eval-lfw", path, "--pairs", str(pairs)],
            ["eval-ident", path, "--people", str(people), "--subjects", str(subjects)],
            ["eval-ident", path, "--people", str(people), *lists],
        ):
            command = [sys.executable, "-m", "nsface", *arguments]
            start = time.perf_counter()
            subprocess.run(command, check=True)
            took = time.perf_counter() - start
            click.echo(f"nsface {arguments[0]} ({len(arguments)} arguments): {took:.2f} s\n")


if __name__ == "__main__":
    main()
