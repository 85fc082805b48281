"""Speed of the protocols: a large gallery, pairs as many as IJB's, whole commands; Markdown tables.

python benchmarks/protocols.py search [--gallery 1000000] [--probes 10000]
python benchmarks/protocols.py ijb [--pairs 15000000]
python benchmarks/protocols.py commands pairs.txt people.txt subjects.txt TRIAL...

Wall time and CPU time stand side by side: where they differ much (per core used), something else was running.
`search` compares with FAISS where it is installed (`pip install nsface[bench]`).
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from nsface.embeddings import Embeddings, save
from nsface.metrics.search import Gallery, find, highest
from nsface.protocols import templates as ijb
from nsface.protocols.ijb import ScoredTemplates
from nsface.stored_rows import StoredRows

PROBES, ENTRIES = 1024, 8192  # a block of the bare product
PART = 1 << 16


class Spent(NamedTuple):
    """Seconds of wall time and of CPU time, over all threads."""

    wall: float
    cpu: float


def spent(work: Callable[[], object], who: int = resource.RUSAGE_SELF) -> Spent:
    """Time of `work`; `who`: of this process, or of the processes it starts."""
    wall, before = time.perf_counter(), resource.getrusage(who)
    work()
    after = resource.getrusage(who)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(time.perf_counter() - wall, cpu)


def peak() -> float:
    """The most memory that this process has had since `forget_peak`, GiB."""
    status = Path("/proc/self/status").read_text()
    return float(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 2**20  # type: ignore[index]


def forget_peak() -> None:
    """Let the most memory be what it is now (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print `rows`, the first one the head, as Markdown."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    cores = len(os.sched_getaffinity(0))
    click.echo("\n".join(lines) + f"\n\n{cores} cores; load averages at the end {load}\n")


@click.group()
def main() -> None:
    """Measure; run it where nothing else runs."""


@main.command()
@click.option("--gallery", "size", default=1_000_000, show_default=True)
@click.option("--probes", "count", default=10_000, show_default=True)
@click.option("--dimension", default=512, show_default=True)
def search(size: int, count: int, dimension: int) -> None:
    """Probes against a gallery in a file, a bare product before and after; FAISS where installed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gallery.npy"
        probes, mates = make_gallery(path, size, count, dimension)
        measured = {"bare blocked float32 product": spent(lambda: bare_product(path, probes))}
        vectors, rows = StoredRows(path), np.arange(size)
        gallery = Gallery(vectors, rows, rows)
        forget_peak()
        start = peak()
        measured["`find`: genuine probes"] = spent(lambda: find(gallery, probes, mates))
        measured["`highest`: impostors"] = spent(lambda: highest(gallery, probes))
        ours = peak()
        try:
            import faiss
        except ImportError:
            click.echo("faiss is not installed: no comparison", err=True)
        else:
            index = faiss.IndexFlatIP(dimension)
            for first in range(0, size, PART):
                index.add(vectors[first : first + PART])
            name = f"FAISS {faiss.__version__}, `IndexFlatIP`, top 1, gallery in memory"
            measured[name] = spent(lambda: index.search(probes, 1))
        measured["bare product again"] = spent(lambda: bare_product(path, probes))
        bare = [times for name, times in measured.items() if name.startswith("bare")]
        wall, cpu = (float(np.mean(column)) for column in zip(*bare, strict=True))
        lines = [("", "wall, s", "CPU, s", "product's speed by wall", "by CPU")]
        for name, times in measured.items():
            shares = (f"{100 * wall / times.wall:.0f} %", f"{100 * cpu / times.cpu:.0f} %")
            lines.append((name, f"{times.wall:.1f}", f"{times.cpu:.1f}", *shares))
        table(lines)
        speed = 2e-9 * size * count * dimension / wall
        click.echo(f"{count} probes, gallery {size} × {dimension}; bare product {speed:.0f} Gflop/s")
        click.echo(f"peak memory of nsface's searches {ours:.2f} GiB ({start:.2f} before them)")


def make_gallery(path: Path, size: int, count: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Write a random gallery to `path`; noisy copies of `count` of its rows, and which these are."""
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (size, dimension)}
        np.lib.format.write_array_header_2_0(file, header)
        for start in range(0, size, PART):
            file.write(random.standard_normal((min(PART, size - start), dimension), np.float32).tobytes())
    mates = random.permutation(size)[:count]
    return StoredRows(path)[mates] + random.standard_normal((count, dimension), np.float32), mates


def bare_product(path: Path, probes: np.ndarray) -> None:
    """All scores in float32, a block at a time, and nothing done with them."""
    vectors = StoredRows(path)
    out = np.empty((PROBES, ENTRIES), dtype=np.float32)
    for start in range(0, len(vectors), ENTRIES):
        columns = vectors[start : start + ENTRIES].T
        for first in range(0, len(probes), PROBES):
            part = probes[first : first + PROBES]
            np.matmul(part, columns, out=out[: len(part), : columns.shape[1]])


@main.command("ijb")
@click.option("--pairs", "count", default=15_000_000, show_default=True)
@click.option("--templates", default=23_124, show_default=True)
@click.option("--faces", default=469_375, show_default=True)
@click.option("--dimension", default=512, show_default=True)
def ijb_pairs(count: int, templates: int, faces: int, dimension: int) -> None:
    """IJB-C's sizes: read the lists, pool, score, ROC."""
    with tempfile.TemporaryDirectory() as folder:
        meta, pairs = Path(folder) / "faces.txt", Path(folder) / "pairs.txt"
        make_ijb(meta, pairs, count, templates, faces)
        vectors = np.random.default_rng(1).standard_normal((faces, dimension), np.float32)
        embeddings = Embeddings([f"{i}.jpg" for i in range(faces)], vectors)
        known = ijb.read_faces(meta)  # once before, for what follows; timed below
        wanted = ijb.read_template_pairs(pairs, known)
        pooled = ijb.template_vectors(embeddings, known)
        scores = ijb.score_templates(pooled, wanted)
        steps = {
            "lists read": spent(lambda: ijb.read_template_pairs(pairs, ijb.read_faces(meta))),
            "templates pooled": spent(lambda: ijb.template_vectors(embeddings, known)),
            "pairs scored": spent(lambda: ijb.score_templates(pooled, wanted)),
            "ROC and TAR": spent(ScoredTemplates(embeddings, known, wanted, scores).result),
        }
        steps["in all"] = Spent(*(float(np.sum(column)) for column in zip(*steps.values(), strict=True)))
        rows = [(name, f"{times.wall:.1f}", f"{times.cpu:.1f}") for name, times in steps.items()]
        table([("", "wall, s", "CPU, s"), *rows])
        click.echo(f"{count} pairs, {templates} templates, {faces} faces; peak memory {peak():.2f} GiB")


def make_ijb(meta: Path, pairs: Path, count: int, templates: int, faces: int) -> None:
    """Write random lists of IJB's form: three faces a medium, 0.1 % of the pairs genuine."""
    random = np.random.default_rng(0)
    template = np.concatenate([np.arange(templates), random.integers(0, templates, faces - templates)])
    meta.write_text("".join(f"{i}.jpg {t} {i // 3}\n" for i, t in enumerate(template.tolist())))
    with pairs.open("w") as file:
        for start in range(0, count, 1 << 20):
            n = min(1 << 20, count - start)
            rows = np.column_stack([random.integers(0, templates, (n, 2)), random.random(n) < 0.001])
            file.write("\n".join(f"{a} {b} {c}" for a, b, c in rows.tolist()) + "\n")


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
    vectors = np.random.default_rng(0).standard_normal((len(names), 512), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "lfw.npz")
        save(path, Embeddings(names, vectors, {"flip": "none"}))
        identification = ["eval-ident", path, "--people", str(people)]
        lists = [argument for trial in trials for argument in ("--lists", str(trial))]
        rows: list[tuple[str, ...]] = [("whole process", "wall, s", "CPU, s")]
        for name, arguments in (
            ("eval-lfw", ["eval-lfw", path, "--pairs", str(pairs)]),
            ("eval-ident, one trial", [*identification, "--subjects", str(subjects)]),
            (f"eval-ident, {len(trials)} trials", [*identification, *lists]),
        ):
            command = [sys.executable, "-m", "nsface", *arguments]
            run = partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
            times = [spent(run, resource.RUSAGE_CHILDREN) for _ in range(3)]
            rows.append((name, *(f"{min(column):.2f}" for column in zip(*times, strict=True))))
        table(rows)
        click.echo("the least of three runs each")


if __name__ == "__main__":
    main()
