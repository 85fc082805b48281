"""What a protocol that is added finds: `compare`, names of people, results read back, options checked."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

import click
import numpy as np
import pytest

import nsface.results
from nsface import cli
from nsface.checked import Share
from nsface.cli import compare
from nsface.cli.evaluate import evaluation
from nsface.embeddings import Embeddings, save
from nsface.protocols import PROTOCOLS, Entry, load_protocol
from nsface.protocols.lists import read_lines
from nsface.protocols.protocol import AnyPath, option
from nsface.protocols.trials import Trials, trials
from nsface.protocols.verification import VerificationProtocol
from nsface.results import OtherResult, Result, read_result

Run = Callable[..., Any]
PEOPLE = list("abcdefghijklmnopqrstuvwx")


@dataclass(frozen=True)
class Views(VerificationProtocol[Trials]):
    """Pairs in a folder, of two views: `PERSON/VIEW/1.jpg`."""

    comparable: ClassVar = {"folder": "folder", "views": "views"}

    folder: AnyPath = option("The folder.")
    views: Literal["FP", "FF"] = option("Which views.", default="FP")

    def read(self) -> Trials:
        path = Path(self.folder) / f"{self.views}.txt"
        pairs = []
        for line in read_lines(path):
            left, right, fold = line.fields(3, "left right fold")
            pairs.append((left, right, left[0] == right[0], int(fold)))
        return trials(pairs, str(path), person=lambda name: name.split("/")[0])


@dataclass(frozen=True)
class Images(VerificationProtocol[Trials]):
    """A protocol with an option that every command has already."""

    images: AnyPath = option("The images.")

    def read(self) -> Trials:
        raise NotImplementedError


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The table of protocols with the two above, as on the next start."""
    module = types.ModuleType("added_protocols")
    vars(module).update(Views=Views, Images=Images)
    monkeypatch.setitem(sys.modules, "added_protocols", module)
    monkeypatch.setitem(PROTOCOLS, "views", Entry("added_protocols", "Views", "Score views."))
    monkeypatch.setitem(cli.COMMANDS, "eval-views", "Score views.")
    importlib.reload(compare)
    yield
    monkeypatch.undo()
    importlib.reload(compare)


@pytest.mark.usefixtures("table")
def test_compare_has_the_options_of_a_protocol_that_is_added(nsface: Run, tmp_path: Path) -> None:
    for views, side in (("FP", "profile"), ("FF", "frontal")):
        lines = []
        for i in range(0, 24, 2):
            one, two = PEOPLE[i : i + 2]
            for other in (one, two):
                lines.append(f"{one}/frontal/1.jpg {other}/{side}/2.jpg {i // 6}\n")
        (tmp_path / f"{views}.txt").write_text("".join(lines[:-2] if views == "FF" else lines))
    images = ("frontal/1", "frontal/2", "profile/2")
    names = [f"{person}/{image}.jpg" for person in PEOPLE for image in images]
    for number in range(2):
        vectors = np.random.default_rng(number).normal(size=(len(names), 4)).astype(np.float32)
        save(tmp_path / f"{number}.npz", Embeddings(names, vectors))
    files = ("compare", tmp_path / "0.npz", tmp_path / "1.npz", "--protocol", "views")
    assert nsface(*files, "--folder", tmp_path).out.startswith("views: 24 pairs")
    assert nsface(*files, "--folder", tmp_path, "--views", "FF").out.startswith("views: 22 pairs")
    assert "--protocol views needs --folder" in nsface(*files).err
    assert "--protocol views takes no --pairs" in nsface(*files, "--folder", tmp_path, "--pairs", "x").err
    measured = nsface("eval-views", tmp_path / "0.npz", "--folder", tmp_path, "--json", "-")
    assert measured.json["identity_interval"], "the names say who is who, though folders do not"
    assert "folders" not in measured.err


def test_an_option_that_every_command_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("added_protocols")
    vars(module).update(Images=Images)
    monkeypatch.setitem(sys.modules, "added_protocols", module)
    monkeypatch.setitem(PROTOCOLS, "images", Entry("added_protocols", "Images", ""))
    with pytest.raises(ValueError, match="the protocol images has an option --images, which every"):
        evaluation("images")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_protocols_are_compared_on_are_fields(name: str) -> None:
    cls = load_protocol(name)
    assert set(cls.comparable.values()) <= {field.name for field in fields(cls)}  # type: ignore[arg-type]
    assert isinstance(evaluation(name), click.Command)


@dataclass(frozen=True, kw_only=True)
class Added(Result):
    """A result of another kind."""

    protocol: str = "added-by-this-test"
    mean_average_precision: Share

    def table(self, width: int = 80) -> str:
        return f"mAP {self.mean_average_precision:.3f}"


def test_a_result_that_is_added_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Added(mean_average_precision=0.5)
    where = Path("added.json")
    assert isinstance(read_result(result.to_json(), where), OtherResult)
    monkeypatch.setattr(nsface.results, "RESULTS", [*nsface.results.RESULTS, Added])
    assert read_result(result.to_json(), where) == result
