"""Evaluation from Python: the results and notes of the command line, from whatever holds embeddings."""

from __future__ import annotations

import inspect
import json
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsface import DoubtfulResult, evaluate
from nsface.cli import main
from nsface.embeddings import Embeddings, load
from nsface.errors import DataError, NsfaceError
from nsface.protocols import PROTOCOLS
from nsface.protocols.protocol import OptionsError
from nsface.results import Comparison, IdentificationComparison, Result
from tests.cli.golden_inputs import write_inputs

CASES: dict[str, Callable[[], Result]] = {
    "eval-lfw faces.npz --pairs pairs.txt --calibration": lambda: evaluate.lfw(
        "faces.npz", "pairs.txt", calibration=True
    ),
    "eval-lfw faces.npz --pairs shared.txt": lambda: evaluate.lfw("faces.npz", Path("shared.txt")),
    "eval-lfw faces.npz --pairs view1-test.txt --train-pairs view1-train.txt --far 0.1": lambda: evaluate.lfw(
        Path("faces.npz"), "view1-test.txt", train_pairs="view1-train.txt", far=(0.1,)
    ),
    "eval-fglfw like.npz --pairs like.txt": lambda: evaluate.fglfw("like.npz", "like.txt"),
    "eval-ytf frames.npz --splits splits.txt --pool pairs": lambda: evaluate.ytf(
        "frames.npz", "splits.txt", pool="pairs"
    ),
    "eval-ident faces.npz --lists trial1 --lists trial2": lambda: evaluate.ident(
        "faces.npz", lists=("trial1", "trial2")
    ),
    "eval-ident faces.npz --gallery gallery.txt --probes probes.txt --center --fit-on strangers.npz": (
        lambda: evaluate.ident(
            "faces.npz",
            gallery="gallery.txt",
            probes="probes.txt",
            center=True,
            fit_on=load("strangers.npz"),
        )
    ),
    "eval-blufr faces.npz --lists blufr": lambda: evaluate.blufr("faces.npz", "blufr"),
    "eval-ijb ijb.npz --faces media.txt --pairs templates.txt": lambda: evaluate.ijb(
        "ijb.npz", "media.txt", "templates.txt"
    ),
    "eval-pairs zeros.npz --pairs few.tsv": lambda: evaluate.pairs("zeros.npz", "few.tsv"),
    "compare faces.npz worse.npz --pairs pairs.txt": lambda: evaluate.compare(
        "faces.npz", "worse.npz", "lfw", pairs="pairs.txt"
    ),
    "compare faces.npz worse.npz --protocol ident --people people.txt --subjects subjects.txt": (
        lambda: evaluate.compare(
            "faces.npz", "worse.npz", "ident", people="people.txt", subjects="subjects.txt"
        )
    ),
    "compare bin-good.npz bin-bad.npz --protocol bin --pairs easy.bin": lambda: evaluate.compare(
        "bin-good.npz", "bin-bad.npz", "bin", pairs="easy.bin"
    ),
}


@pytest.fixture(scope="module", autouse=True)
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The inputs of the golden results, in the working directory."""
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    before = Path.cwd()
    os.chdir(folder)
    yield
    os.chdir(before)


def from_command_line(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[Any, list[str]]:
    with pytest.raises(SystemExit) as exit_:
        main([*command.split(), "--json", "-"])
    assert not exit_.value.code
    printed = capsys.readouterr()
    notes = [line.removeprefix("note: ") for line in printed.err.splitlines() if line.startswith("note: ")]
    return json.loads(printed.out), notes


@pytest.mark.parametrize("command", CASES)
def test_results_and_notes_are_those_of_the_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = CASES[command]()
    assert not capsys.readouterr().out, "nothing is printed"
    expected, notes = from_command_line(command, capsys)
    assert json.loads(json.dumps(result.to_json())) == expected
    doubts = [warning for warning in caught if issubclass(warning.category, DoubtfulResult)]
    assert [str(warning.message) for warning in doubts] == notes
    assert {warning.filename for warning in doubts} <= {__file__}, "the caller's line is named"


def test_embeddings_are_an_object_a_path_or_names_and_vectors() -> None:
    faces = load("faces.npz")
    expected = evaluate.lfw(faces, "pairs.txt").accuracy
    assert expected is not None
    for same in ("faces.npz", Path("faces.npz"), (faces.names, faces.vectors)):
        assert evaluate.lfw(same, "pairs.txt").accuracy == expected
    doubled = (list(faces.names), np.asarray(faces.vectors, dtype=np.float64) * 2)
    assert evaluate.lfw(doubled, "pairs.txt").accuracy == expected
    assert evaluate.lfw((faces.names, np.asarray(faces.vectors).tolist()), "pairs.txt").accuracy == expected


def test_names_and_vectors_that_cannot_be_scored_are_refused() -> None:
    faces = load("faces.npz")
    vectors = np.array(faces.vectors)
    with pytest.raises(DataError, match="80 names against an array of shape"):
        evaluate.lfw((faces.names, vectors[1:]), "pairs.txt")
    with pytest.raises(DataError, match=r"'P00/P00_0001\.jpg' occurs twice"):
        evaluate.lfw(([faces.names[0], *faces.names[:-1]], vectors), "pairs.txt")
    vectors[2, 3] = np.nan
    with pytest.raises(DataError, match="1 of 80 embeddings are not finite"):
        evaluate.lfw((faces.names, vectors), "pairs.txt")


@pytest.mark.parametrize("given", [None, 5, np.zeros((3, 4)), {"a.jpg": [1.0]}, ("a", "b", "c")])
def test_what_is_no_embeddings_is_refused(given: Any) -> None:
    with pytest.raises(DataError, match=r"is no embeddings; give an Embeddings, the path of a file, or \("):
        evaluate.lfw(given, "pairs.txt")


@pytest.mark.parametrize(
    "vectors",
    [
        [[1.0, 2.0], [3.0]],
        [["1", "2"], ["3", "4"]],
        [[1j], [2j]],
        torch.ones(2, 3, requires_grad=True),
        torch.ones(2, 3, dtype=torch.bfloat16),
    ],
)
def test_vectors_that_are_no_array_of_numbers_are_refused(vectors: Any) -> None:
    with pytest.raises(
        DataError, match=r"vectors that are no array of numbers \(.*\); give an array"
    ) as error:
        evaluate.lfw((["a/1.jpg", "a/2.jpg"], vectors), "pairs.txt")
    assert "\n" not in str(error.value)


def test_systems_are_called_by_their_files() -> None:
    faces, worse = load("faces.npz"), load("worse.npz")
    made = evaluate.compare((faces.names, faces.vectors), worse, "lfw", pairs="pairs.txt")
    assert made.systems == ("first", "worse")
    unnamed = Embeddings(faces.names, faces.vectors)
    made = evaluate.compare(unnamed, unnamed, "lfw", pairs="pairs.txt")
    assert made.systems == ("the embeddings", "the embeddings")


@pytest.mark.filterwarnings("ignore::nsface.DoubtfulResult")
def test_a_comparison_by_name_of_its_protocol() -> None:
    lists = {"people": "people.txt", "subjects": "subjects.txt"}
    names: list[str] = ["ident"]
    for name in names:
        made: Comparison = evaluate.compare("faces.npz", "worse.npz", name, **lists)
        assert isinstance(made, IdentificationComparison)


@pytest.mark.parametrize(
    ("protocol", "options", "message"),
    [
        ("lwf", {}, "no protocol is called 'lwf'"),
        ("blufr", {"lists": "blufr"}, "no comparison for blufr"),
        ("lfw", {}, "lfw needs 'pairs'; see help"),
        ("lfw", {"pair": "pairs.txt"}, r"no option of lfw is called 'pair' \(did you mean 'pairs'\?"),
    ],
)
def test_wrong_comparisons_are_refused(protocol: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(NsfaceError, match=message):
        evaluate.compare("faces.npz", "worse.npz", protocol, **options)


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(OptionsError, match="`subjects` needs `people`"):
        evaluate.ident("faces.npz", subjects="subjects.txt")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ident", {"fuse": "median"}, "`fuse` must be one of 'best', 'mean', not 'median'"),
        ("ident", {"open_gallery": "double"}, "`open_gallery` must be one of 'single', 'multi'"),
        ("ident", {"lists": "trial1"}, r"`lists` takes several values: write \['trial1'\]"),
        ("ident", {"center": True, "fit_on": "strangers.npz"}, "`fit_on` takes embeddings"),
        ("lfw", {"far": 0.1}, r"`far` takes several values: write \[0\.1\]"),
        ("lfw", {"far": ["0.1"]}, "`far` takes numbers, not '0.1'"),
        ("lfw", {"pca": 2.5}, "`pca` takes whole numbers, not 2.5"),
        ("lfw", {"far": [0.1, 1.5]}, r"`far` must be in \[0, 1\], not 1\.5"),
        ("lfw", {"pca": 0}, r"`pca` must be in \[1, 65536\], not 0"),
        ("lfw", {"similarity": "cosinus"}, "`similarity` must be one of 'cosine', 'euclidean'"),
        ("ytf", {"pool": "max"}, "`pool` must be one of 'mean', 'pairs'"),
        ("ijb", {"failure_to_enrol": "skip"}, "`failure_to_enrol` must be one of 'refuse', 'lowest'"),
    ],
)
def test_values_that_an_option_cannot_have_are_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    lists = {
        "ident": {"gallery": "gallery.txt", "probes": "probes.txt"},
        "lfw": {"pairs": "pairs.txt"},
        "ytf": {"splits": "splits.txt"},
        "ijb": {"faces": "media.txt", "pairs": "templates.txt"},
    }
    with pytest.raises(OptionsError, match=message):
        getattr(evaluate, name)("faces.npz", **lists[name] | options)


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lwf'"):
        evaluate.lwf  # type: ignore[attr-defined] # noqa: B018


def test_every_protocol_has_a_function_with_its_options() -> None:
    assert set(evaluate.__all__) <= {*PROTOCOLS, "all", "calibrate", "compare"}
    for name, entry in PROTOCOLS.items():
        function = getattr(evaluate, name)
        parameters = list(inspect.signature(function).parameters)
        assert parameters == ["embeddings", *inspect.signature(entry.load()).parameters]
        assert all(f"    {option}: " in function.__doc__ for option in parameters)
