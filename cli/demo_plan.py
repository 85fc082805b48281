"""The stages of `nsface demo`: each a command line of nsface, and the file or folder it makes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsface.cli.results import columns, percent
from nsface.errors import NsfaceError
from nsface.files import reason, write_text

ARMS = {"softmax": "Softmax", "noisy-softmax": "Noisy Softmax"}


@dataclass(frozen=True)
class Stage:
    """A command.

    Attributes:
        title: a few words.
        arguments: what follows `nsface` on the command line.
        made: appears, whole, when the command has succeeded.
    """

    title: str
    arguments: list[str]
    made: Path


@dataclass(frozen=True)
class Lists:
    """Test images and lists; None: that protocol is left out."""

    lfw: str
    pairs: Path
    people: Path | None = None
    subjects: Path | None = None
    look_alikes: Path | None = None
    ytf: str | None = None
    splits: Path | None = None


@dataclass(frozen=True)
class Rendered:
    """The set that `nsface synth` renders for the demo into `folder`."""

    folder: Path
    identities: int
    seed: int

    @property
    def train(self) -> Path:
        return self.folder / "train"

    @property
    def lists(self) -> Lists:
        names = {"pairs": "pairs", "people": "people", "subjects": "subjects", "look_alikes": "pair_FGLFW"}
        lists = {key: self.folder / f"{name}.txt" for key, name in names.items()}
        videos = str(self.folder / "ytf")
        return Lists(str(self.folder / "lfw"), **lists, ytf=videos, splits=self.folder / "splits.txt")

    @property
    def stage(self) -> Stage:
        size = [
            "--identities",
            str(self.identities),
            "--lfw-pairs",
            "50",
            "--ytf-pairs",
            "25",
            "--frames",
            "4",
        ]
        arguments = ["synth", str(self.folder), *size, "--seed", str(self.seed)]
        return Stage("render faces of people who do not exist", arguments, self.folder)


def plan(
    out: Path, faces: str, lists: Lists, recipe: str, settings: list[str], rendered: Rendered | None = None
) -> list[Stage]:
    """All stages in order; `settings` are further options of both trainings."""
    stages = [rendered.stage] if rendered else []
    found = out / "inspect.json"
    stages.append(Stage("inspect the training set", ["inspect", faces, "--json", str(found)], found))
    for arm, title in ARMS.items():
        options = ["--data", faces, "--head", arm, *settings, "--out", str(out / arm), "--resume"]
        made = out / arm / "model.safetensors"
        stages.append(Stage(f"train with {title}", ["train", recipe, *options], made))
    sets = {"lfw": lists.lfw} | ({"ytf": lists.ytf} if lists.ytf else {})
    for name, images in sets.items():
        for arm, title in ARMS.items():
            model, made = out / arm / "model.safetensors", out / arm / f"{name}.npz"
            extract = ["extract", str(model), images, "-o", str(made)]
            stages.append(Stage(f"extract {name.upper()} with {title}", extract, made))
    if rendered:
        stages += _overlap(out, faces, list(sets))
    for protocol, title, embeddings, options in _protocols(lists):
        for arm, name in ARMS.items():
            made = out / arm / f"{protocol}.json"
            score = [f"eval-{protocol}", str(out / arm / embeddings), *options, "--json", str(made)]
            stages.append(Stage(f"score {name} on {title}", score, made))
        made = out / "noisy-softmax" / f"compare-{protocol}.json"
        pair = [str(out / arm / embeddings) for arm in reversed(ARMS)]
        options = ["--pairs" if option == "--splits" else option for option in options]
        compare = ["compare", *pair, "--protocol", protocol, *options, "--json", str(made)]
        stages.append(Stage(f"compare the two on {title}", compare, made))
    page = out / "report.html"
    report = ["report", *(str(out / arm) for arm in ARMS), "--inspect", str(found), "-o", str(page)]
    return [*stages, Stage("write the report", report, page)]


def _overlap(out: Path, faces: str, sets: list[str]) -> list[Stage]:
    """Look for people of the training set in the test sets, and record in both runs that it was done."""
    first = out / next(iter(ARMS))
    made = first / "train.npz"
    arguments = ["extract", str(first / "model.safetensors"), faces, "-o", str(made)]
    stages = [Stage("extract the training set with Softmax", arguments, made)]
    runs = [word for arm in ARMS for word in ("--run", str(out / arm))]
    for name in sets:
        found = out / f"overlap-{name}.json"
        files = [str(made), str(first / f"{name}.npz")]
        # rendered people have numbers in place of names; even this network finds no two as alike as 0.9
        arguments = ["overlap", *files, "--threshold", "0.9", "--top", "3", *runs, "--json", str(found)]
        stages.append(Stage(f"look for people of the training set in {name.upper()}", arguments, found))
    return stages


def _protocols(lists: Lists) -> list[tuple[str, str, str, list[str]]]:
    """(name, title, embeddings file, options) of each protocol that there are lists for."""
    found = [("lfw", "LFW's protocol", "lfw.npz", ["--pairs", str(lists.pairs)])]
    if lists.look_alikes:
        found.append(("fglfw", "FGLFW's protocol", "lfw.npz", ["--pairs", str(lists.look_alikes)]))
    if lists.splits:
        found.append(("ytf", "YTF's protocol", "ytf.npz", ["--splits", str(lists.splits)]))
    if lists.people:
        options = ["--people", str(lists.people), "--subjects", str(lists.subjects)]
        found.append(("ident", "identification", "lfw.npz", options))
    return found


def remember(path: Path, stages: list[Stage]) -> None:
    """Write the plan to `path`; where one lies there, it must be the same.

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
    """A table of what the stages measured: a row an arm, a column a protocol."""
    cells: dict[str, dict[str, str]] = {arm: {} for arm in ARMS}
    for stage in stages:
        if stage.arguments[0].startswith("eval-"):
            result = json.loads(stage.made.read_text(encoding="utf-8"))
            cells[stage.made.parent.name] |= _figures(
                stage.arguments[0].removeprefix("eval-").upper(), result
            )
    titles = list(cells["softmax"])
    return columns([("", *titles), *((ARMS[arm], *row.values()) for arm, row in cells.items())], indent="")


def _figures(title: str, result: dict[str, Any]) -> dict[str, str]:
    if "accuracy" in result:
        return {title: f"{100 * result['accuracy']:.2f} ± {percent(result['standard_error'])}"}
    return {
        "Rank-1": percent(result["closed_set"]["rank"]["1"]),
        "DIR at FAR 1 %": percent(result["open_set"]["dir"][0]["dir"]),
    }
