"""The tables of `nsface reproduce` on this machine: errors on CIFAR-10+ and CIFAR-10, and scores on faces.

Some seeds are trained and tested before the next ones are begun, so that all arms have those. Trainings lie
where the data are, and go on there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nsface.benchmark.gpu.place import Found, Place, TableScale
from nsface.errors import DataError
from nsface.files import write_text
from nsface.reproduce.faces import reproduce_faces
from nsface.reproduce.running import PAGE, RESULTS, reproduce
from nsface.run_folder import RunFolder

COMMAND = "python benchmarks/gpu.py --stage {} --data FILE --out DIR"
CIFAR_TABLES = {"cifar10+": "cifar10-plus", "cifar10": "cifar10"}  # with the folder of each
MOST_LINES = 25  # of a log, or of tests, in the record
_LOGGED = ("step", "loss", "accuracy", "images_per_second")
_TESTED = ("step", "error", "loss")


def cifar(place: Place, found: Found) -> None:
    """The errors on CIFAR-10+ and CIFAR-10, a seed of the one and then of the other."""
    scale = place.scale.cifar
    given = _given(place, found, "cifar.tar", scale)
    for seeds in _rounds(scale):
        for name, folder in CIFAR_TABLES.items():
            with _recorded(place, found, folder) as (out, note):
                reproduce(
                    name, out, given, scale="full", seeds=seeds, arms=scale.arms, processes=scale.processes,
                    note=note, command=COMMAND.format("cifar"),
                )  # fmt: skip


def lfw(place: Place, found: Found) -> None:
    """Scores on LFW's pairs after trainings on the small set of faces."""
    assert place.data is not None
    scale = place.scale.faces_table
    given = {**_given(place, found, "faces.tar", scale), "exclude": str(place.data.path("exclude.txt"))}
    for seeds in _rounds(scale):
        with _recorded(place, found, "lfw-small") as (out, note):
            reproduce_faces(
                out, place.data.path("lfw.tar"), given, single_lists={"pairs": place.data.path("pairs.txt")},
                seeds=seeds, arms=scale.arms, processes=scale.processes, note=note,
                command=COMMAND.format("faces"),
            )  # fmt: skip


def _given(place: Place, found: Found, images: str, scale: TableScale) -> dict[str, Any]:
    """What takes the place of a recipe's values."""
    assert place.data is not None
    found["data"] = place.data.about
    return {
        "data": str(place.data.path(images)),
        "device": place.device.type,
        "compile": "off",
        **scale.changes,
    }


def _rounds(scale: TableScale) -> Iterator[Sequence[int]]:
    """All seeds up to those of each round."""
    for last in range(scale.seeds_of_round, scale.seeds + scale.seeds_of_round, scale.seeds_of_round):
        yield range(min(last, scale.seeds))


@contextmanager
def _recorded(place: Place, found: Found, name: str) -> Iterator[tuple[Path, Callable[[str], object]]]:
    """The folder of the table `name`, and what is told of its progress and then records all that is in it.

    That is recorded too when it ends, in whatever way; the table's page is copied beside the record.
    """
    assert place.data is not None
    folder = place.data.folder / name

    def record() -> None:
        found[name] = so_far(folder)
        if (folder / PAGE).exists():
            write_text(place.out / f"{name}.html", (folder / PAGE).read_text())
        place.save()

    def note(line: str) -> None:
        print(f"{name}: {line}", file=sys.stderr, flush=True)
        with suppress(DataError):  # a folder that is being written
            record()

    try:
        yield folder, note
    finally:
        record()


def so_far(folder: Path) -> Found:
    """What the trainings of a table have found: its results, and of each training its log and tests.

    Log and tests are thinned, a list for each measure.
    """
    results = folder / RESULTS
    runs = [run for path in sorted(folder.glob("*-seed*")) if (run := RunFolder(path)).is_run()]
    return {
        "results": json.loads(results.read_text()) if results.exists() else None,
        "trainings": {
            run.path.name: {
                "log": _columns(run.read_log(), _LOGGED),
                "tests": _columns(run.read_tests(), _TESTED),
            }
            for run in runs
        },
    }


def _columns(lines: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    """By name the values of evenly chosen lines, the last one always among them."""
    chosen = lines[:: -max(1, -(-len(lines) // MOST_LINES))][::-1]
    return {name: [line.get(name) for line in chosen] for name in names}
