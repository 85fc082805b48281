"""The stages of `nsface demo`: the command lines, the file or folder that each makes, and the results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nsface.cli.output import terminal_width
from nsface.errors import NsfaceError
from nsface.files import reason, write_text
from nsface.protocols import load_protocol
from nsface.results import Figure, read_result
from nsface.results.text import columns, percent
from nsface.run_folder import RunFolder
from nsface.synthetic import LfwSet, YtfSet

HEADS = {"softmax": "Softmax", "noisy-softmax": "Noisy Softmax"}


@dataclass(frozen=True)
class Stage:
    """One command.

    Attributes:
        title: what it does, in a few words.
        arguments: what follows `nsface` on the command line.
        output: a file or folder that appears, whole, when the command has succeeded.
    """

    title: str
    arguments: list[str]
    output: Path


@dataclass(frozen=True)
class Lists:
    """Test images and lists; a protocol whose lists are None is left out."""

    lfw: str
    pairs: Path
    people: Path | None = None
    subjects: Path | None = None
    look_alikes: Path | None = None
    ytf: str | None = None
    splits: Path | None = None


def rendered_sets(folder: Path, identities: int, seed: int) -> tuple[str, Lists, Stage]:
    """The training images, the test sets and the stage that renders both into `folder`."""
    size = f"--identities {identities} --lfw-pairs 50 --ytf-pairs 25 --frames 4 --seed {seed}"
    rendering = _stage("render faces of people who do not exist", folder, "synth", folder, *size.split())
    lfw, splits, videos = LfwSet.in_folder(folder), YtfSet.in_folder(folder).splits, str(folder / "ytf")
    lists = Lists(str(lfw.images), lfw.pairs, lfw.people, lfw.subjects, lfw.look_alikes, videos, splits)
    return str(folder / "train"), lists, rendering


def plan(
    out: Path, faces: str, lists: Lists, recipe: str, settings: list[str], rendering: Stage | None = None
) -> list[Stage]:
    """All stages in order; `settings` are further options of both trainings."""
    stages = [rendering] if rendering else []
    inspected, page = out / "inspect.json", out / "report.html"
    stages.append(_stage("inspect the training set", inspected, "inspect", faces, "--json", inspected))
    for head, title in HEADS.items():
        options = ["--data", faces, "--head", head, *settings, "--out", out / head, "--resume"]
        stages.append(_stage(f"train with {title}", _model(out, head), "train", recipe, *options))
    sets = {"lfw": lists.lfw} | ({"ytf": lists.ytf} if lists.ytf else {})
    for name, images in sets.items():
        for head, title in HEADS.items():
            made = out / head / f"{name}.npz"
            extract = ["extract", _model(out, head), images, "-o", made]
            stages.append(_stage(f"extract {name.upper()} with {title}", made, *extract))
    if rendering:
        stages += _overlap(out, faces, list(sets))
    stages += _scores(out, lists)
    runs = [out / head for head in HEADS]
    return [*stages, _stage("write the report", page, "report", *runs, "--inspect", inspected, "-o", page)]


def _stage(title: str, output: Path, *words: object) -> Stage:
    return Stage(title, [str(word) for word in words], output)


def _model(out: Path, head: str) -> Path:
    return RunFolder(out / head).model_file


def _overlap(out: Path, faces: str, sets: list[str]) -> list[Stage]:
    """Look for people of the training set in the test sets, and record in both runs that it was done."""
    first = next(iter(HEADS))
    made = out / first / "train.npz"
    extract = ["extract", _model(out, first), faces, "-o", made]
    stages = [_stage(f"extract the training set with {HEADS[first]}", made, *extract)]
    runs = [word for head in HEADS for word in ("--run", out / head)]
    for name in sets:
        found = out / f"overlap-{name}.json"
        # Rendered people have numbers for names; even this network finds no two of them as alike as 0.9.
        options = ["--threshold", "0.9", "--top", "3", *runs, "--json", found]
        overlap = ["overlap", made, out / first / f"{name}.npz", *options]
        stages.append(_stage(f"look for people of the training set in {name.upper()}", found, *overlap))
    return stages


def _scores(out: Path, lists: Lists) -> list[Stage]:
    """Score both networks by each protocol that there are lists for, and compare them."""
    protocols: list[tuple[str, str, str, dict[str, Path | None]]] = [
        ("lfw", "LFW's protocol", "lfw.npz", {"pairs": lists.pairs}),
        ("fglfw", "FGLFW's protocol", "lfw.npz", {"pairs": lists.look_alikes}),
        ("ytf", "YTF's protocol", "ytf.npz", {"splits": lists.splits}),
        ("ident", "identification", "lfw.npz", {"people": lists.people, "subjects": lists.subjects}),
    ]
    stages = []
    for protocol, title, embeddings, given in protocols:
        if None in given.values():
            continue
        options = _options(given)
        for head, name in HEADS.items():
            made = out / head / f"{protocol}.json"
            score = [f"eval-{protocol}", out / head / embeddings, *options, "--json", made]
            stages.append(_stage(f"score {name} on {title}", made, *score))
        made = out / "noisy-softmax" / f"compare-{protocol}.json"
        pair = [out / head / embeddings for head in reversed(HEADS)]
        comparable = load_protocol(protocol).comparable
        options = _options({option: given[field] for option, field in comparable.items()})
        compare = ["compare", *pair, "--protocol", protocol, *options, "--json", made]
        stages.append(_stage(f"compare the two on {title}", made, *compare))
    return stages


def _options(given: Mapping[str, Path | None]) -> list[object]:
    return [word for name, path in given.items() for word in (f"--{name}", path)]


def record_plan(path: Path, stages: list[Stage]) -> None:
    """Write the plan to `path`; where one is there already, it must be the same.

    Raises:
        NsfaceError: `path` holds the plan of another demo, or its folder cannot be made.
    """
    text = json.dumps([stage.arguments for stage in stages], indent=1) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding="utf-8") if path.exists() else None
    except OSError as error:
        raise NsfaceError(
            f"cannot use the folder {path.parent}: {reason(error)}; choose another --out"
        ) from error
    if before is None:
        write_text(path, text)
    elif before != text:
        raise NsfaceError(
            f"{path.parent} holds a demo with other options; repeat those, remove it, or choose another --out"
        )


def overview(stages: list[Stage]) -> str:
    """A table of what the stages measured: a row for each head, a column for each figure of merit."""
    cells: dict[str, dict[str, str]] = {head: {} for head in HEADS}
    for stage in stages:
        if stage.arguments[0].startswith("eval-"):
            result = read_result(json.loads(stage.output.read_text(encoding="utf-8")), stage.output)
            for figure in result.headlines() if result else []:
                cells[stage.output.parent.name][figure.name] = _cell(figure)
    titles = list(cells["softmax"])
    rows = [("", *titles), *((HEADS[head], *row.values()) for head, row in cells.items())]
    return columns(rows, indent="", width=terminal_width())


def _cell(figure: Figure) -> str:
    if figure.value is None or figure.spread is None:
        return percent(figure.value)
    return f"{100 * figure.value:.2f} ± {percent(figure.spread)}"
