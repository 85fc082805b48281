"""Run folders that somebody damaged: one DataError that names the file, whatever is in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.errors import DataError
from nsface.report.inspections import facts, read_inspections
from nsface.report.literal import literal
from nsface.report.page import render
from nsface.report.runs import Run, read_runs
from nsface.results import Result, read_result

RECIPE = "head: {name: softmax}\nnetwork: {name: light-resnet}\nexclude: []\n"
LINE = {"step": 16, "epoch": 4.0, "loss": 2.7, "accuracy": 0.2, "probability": 0.1, "saturated": 0.0}
POINT = {"far": 0.01, "tar": 0.5, "achieved_far": 0.01, "threshold": 0.3, "impostors": 100}
LFW: dict[str, Any] = {
    "protocol": "lfw",
    "pairs": 6000,
    "genuine": 3000,
    "accuracy": 0.9,
    "standard_error": 0.01,
    "confidence_interval": [0.88, 0.92],
    "folds": [{"accuracy": 0.9, "threshold": 0.3, "pairs": 600}],
    "auc": 0.95,
    "eer": 0.1,
    "tar_at_far": [POINT],
    "similarity": "cosine",
    "curves": {
        "roc": {"far": [0.0, 1.0], "tar": [0.5, 1.0]},
        "histogram": {"low": -1.0, "high": 1.0, "genuine": [1, 2], "impostor": [3, 0]},
        "worst_errors": [{"left": "a", "right": "b", "same": True, "score": 0.1}],
    },
}
IDENT: dict[str, Any] = {
    "protocol": "identification",
    "closed_set": {"gallery": 4, "probes": 3, "rank": {"1": 0.5}},
    "curves": {"cmc": [0.5]},
}
COMPARED: dict[str, Any] = {
    "protocol": "lfw",
    "systems": ["a/lfw.npz", "b/lfw.npz"],
    "difference": 0.1,
    "confidence_interval": [0.0, 0.2],
    "p_value": 0.03,
    "test": "paired t test over folds",
    "mcnemar": {"mid_p": 0.5},
}
GOLDEN: list[dict[str, Any]] = [
    json.loads((Path(__file__).parents[1] / "golden" / f"{name}.json").read_text(encoding="utf-8"))["json"]
    for name in ("blufr", "ijb", "bin", "ident-trials", "compare-ident", "compare-ijb")
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "environment.json").write_text('{"images": 12, "identities": 3}')
    (folder / "log.jsonl").write_text(json.dumps(LINE) + "\n")
    return folder


def damaged(value: dict[str, Any], *place: str | int, to: Any) -> dict[str, Any]:
    """A copy of `value` with another thing at `place`."""
    copy: dict[str, Any] = json.loads(json.dumps(value))
    inner: Any = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = to
    return copy


@pytest.mark.parametrize("result", [LFW, IDENT, COMPARED, *GOLDEN])
def test_sound_results_are_drawn(run: Path, result: dict[str, Any]) -> None:
    (run / "result.json").write_text(json.dumps(result))
    assert "<svg" in render(read_runs([run]))


@pytest.mark.parametrize(
    "line",
    [
        b'{"step": 1, "loss": 1.0, "caf\xff": 2}',
        b'{"loss": 1.0}',
        b'{"step": [[]]}',
        b'{"step": 1e400}',
        b'{"step": 1' + b"0" * 30 + b"}",
        b'{"step": true}',
        b'{"step": 1, "loss": {"name": "x"}}',
        b'{"step": 1, "loss": NaN}',
        b'{"step": 1, "probability": Infinity}',
        b'{"step": 1, "accuracy": 1' + b"0" * 400 + b"}",
        b'{"step": 1, "accuracy": ' + b"9" * 5000 + b"}",
        b'{"step": 1, "images_per_second": ' + b"[" * 60 + b"]" * 60 + b"}",
        b"[" * 100_000,
        b"[]",
        b"5",
        b"{",
        b"",
        "{}".encode("utf-16"),
    ],
)
def test_a_line_of_the_log_that_is_none(run: Path, line: bytes) -> None:
    (run / "log.jsonl").write_bytes(json.dumps(LINE).encode() + b"\n" + line + b"\n")
    with pytest.raises(DataError, match=r"log\.jsonl(:2)?: ") as error:
        read_runs([run])
    assert "\n" not in str(error.value)


VALIDATED = {"step": 16, "epoch": 4.0, "name": "lfw", "accuracy": 0.9, "standard_error": 0.01, "auc": 0.95}


def test_a_line_of_the_validations_that_is_none(run: Path) -> None:
    for key, value in [
        ("name", 5),
        ("accuracy", 2),
        ("auc", None),
        ("step", -1),
        ("epoch", 1e300),
        ("best", 1),
    ]:
        (run / "validation.jsonl").write_text(json.dumps(VALIDATED | {key: value}) + "\n")
        with pytest.raises(DataError, match=r"validation\.jsonl:1: .*; remove the line"):
            read_runs([run])
    extreme = [VALIDATED | {"accuracy": a, "standard_error": 1.0, "epoch": e} for a, e in [(1, -1), (0, 0)]]
    (run / "validation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in extreme))
    assert "validation accuracy on lfw" in render(read_runs([run]))


@pytest.mark.parametrize(
    "recipe",
    [
        "",
        "- 1",
        "head: softmax\nnetwork: {name: x}",
        "head: {}\nnetwork: {name: x}",
        "head: {name: [x]}\nnetwork: {name: x}",
        "head: {name: x}\nnetwork: 5",
        RECIPE.replace("[]", "5"),
        RECIPE + "validate: [{held_out: x}]",
        RECIPE + "a: !!timestamp 2000-99-99",
        RECIPE + "a: !!bool x",
        RECIPE + "a: !!python/object/apply:os.getcwd []",
        RECIPE + "a: [",
        RECIPE + "a: " + "[" * 50_000,
        RECIPE + "a: " + "{a: " * 50_000,
        RECIPE + "a: &a [1]\n" + "".join(f"b{i}: *a\n" for i in range(11)),
        "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)) + RECIPE,
        RECIPE + "#" * 1_100_000,
    ],
)
def test_a_recipe_that_is_none(run: Path, recipe: str) -> None:
    (run / "recipe.yaml").write_text(recipe)
    with pytest.raises(DataError, match=r"recipe\.yaml: ") as error:
        read_runs([run])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"images": "many"}', '{"images": -1}', '{"a": ' * 300 + "1" + "}" * 300, '{"images": 1.5}'],
)
def test_an_environment_that_is_none(run: Path, text: str) -> None:
    (run / "environment.json").write_text(text)
    with pytest.raises(DataError, match=r"environment\.json: "):
        read_runs([run])


@pytest.mark.parametrize(
    "result",
    [
        damaged(LFW, "accuracy", to="high"),
        damaged(LFW, "accuracy", to=10**400),
        damaged(LFW, "accuracy", to=float("nan")),
        damaged(LFW, "confidence_interval", to=[0.1]),
        damaged(LFW, "folds", to=None),
        damaged(LFW, "folds", to=[{"threshold": "x"}]),
        damaged(LFW, "tar_at_far", 0, "far", to=None),
        damaged(LFW, "pairs", to=1e3),
        damaged(LFW, "curves", to=[]),
        damaged(LFW, "curves", "roc", "far", to=[0.0, 0.0]),
        damaged(LFW, "curves", "roc", "tar", to=[1.0]),
        damaged(LFW, "curves", "histogram", "high", to=-1.0),
        damaged(LFW, "curves", "histogram", "genuine", to=[]),
        damaged(LFW, "curves", "worst_errors", 0, "left", to=5),
        {"protocol": "lfw", "accuracy": 0.5},
        {"protocol": ["lfw"]},
        damaged(IDENT, "closed_set", "rank", to={"1": 2}),
        damaged(IDENT, "closed_set", to=[]),
        damaged(IDENT, "open_set", to={"dir": []}),
        damaged(IDENT, "curves", "cmc", to=[]),
        {"protocol": "bin", "sets": [{"protocol": "lfw"}]},
        {"protocol": "ijb", "tar_at_far": {}},
        damaged(COMPARED, "systems", to=["one"]),
        damaged(COMPARED, "systems", to=["a\0b", "c"]),
        damaged(COMPARED, "mcnemar", to={}),
        damaged(COMPARED, "mcnemar", to=None),
        {"protocol": "lfw", "systems": ["a", "b"], "mcnemar": {"mid_p": 0.1}},
        damaged(COMPARED, "dir", to=[{"far": 0.1}]),
    ],
)
def test_a_result_that_is_none(run: Path, result: dict[str, Any]) -> None:
    (run / "result.json").write_text(json.dumps(result))
    with pytest.raises(DataError, match=r"result\.json: "):
        read_runs([run])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where there is something in `value`."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in items for found in [(*here, key), *places(inner, (*here, key))]]


@given(st.sampled_from([LFW, IDENT, COMPARED, *GOLDEN]), st.data(), JSON)
def test_what_is_accepted_can_be_drawn(result: dict[str, Any], data: st.DataObject, other: Any) -> None:
    place = data.draw(st.sampled_from(places(result)))
    read: Result | None = None
    with suppress(DataError):
        read = read_result(damaged(result, *place, to=other), Path("result.json"))
    assert render([make_run(read)]).encode()


def make_run(result: Result | None) -> Run:
    recipe = {"head": {"name": "softmax"}, "network": {"name": "light-resnet"}}
    return Run(Path("run"), "run", recipe, RECIPE, {}, [LINE], {"result": result} if result else {})


def test_literal_text_is_what_matplotlib_draws() -> None:
    from matplotlib.figure import Figure

    for name in ("$\\frac$", "a$b$c", "\\$x", "plain"):
        text = Figure().text(0, 0, literal(name))
        assert text._preprocess_math(literal(name)) == (name, False)  # type: ignore[attr-defined]


def test_control_characters_do_not_reach_the_page(run: Path, tmp_path: Path) -> None:
    hostile = damaged(LFW, "similarity", to="\x1b[31m\ud800\u202e")
    (run / "result.json").write_text(json.dumps(hostile))
    page = render(read_runs([run]))
    assert page.encode().isascii() or "\x1b" not in page
    assert not {"\x1b", "\ud800", "\u202e"} & set(page)


def overlap(**keys: Any) -> str:
    return json.dumps({"digest": {"images": 10, "found": [], **keys}})


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (overlap(found_by={"names": []}), "compared by name only, and nobody was found that way"),
        (overlap(found_by={"names": [], "pictures": []}), "compared by name and picture only"),
        (overlap(found_by={}), "compared by name only, and no name says who it is"),
        (
            overlap(found_by={"embeddings": []}, threshold=0.5),
            "a test set of 10 images: none (compared by embedd",
        ),
        (overlap(), "compared by name only"),
        (overlap(threshold=0.6), "none (compared by name and embedding)"),
        (overlap(found=["x"], found_by={"names": ["x"]}), "10 images: x (compared by name only)"),
    ],
)
def test_a_check_says_what_it_looked_at(run: Path, record: str, said: str) -> None:
    (run / "overlap.json").write_text(record)
    page = render(read_runs([run]))
    assert said in page
    assert ("none" in said) == ("images: none" in page)


@pytest.mark.parametrize(
    "record",
    ["[]", "{", '{"d": 5}', '{"d": {"images": "x", "found": []}}', overlap(found=[5]), overlap(found=None)],
)
def test_a_record_of_overlap_that_is_none(run: Path, record: str) -> None:
    (run / "overlap.json").write_text(record)
    with pytest.raises(DataError, match=r"overlap\.json: "):
        read_runs([run])


INSPECTED: dict[str, Any] = {
    "kind": "folder",
    "location": "x",
    "images": 3,
    "identities": 2,
    "images_per_identity": {"min": 1, "median": 1.5, "max": 2},
    "sizes": [{"height": 112, "width": 96, "images": 3}],
    "label_gaps": None,
    "alignment": 0.5,
    "unreadable": [{"name": "a", "reason": "b"}],
}
CHANGES: list[Callable[[], dict[str, Any]]] = [
    lambda: damaged(INSPECTED, "images", to="3"),
    lambda: damaged(INSPECTED, "sizes", to=[[1, 2]]),
    lambda: damaged(INSPECTED, "images_per_identity", to={"min": 1}),
    lambda: damaged(INSPECTED, "unreadable", to=None),
    lambda: damaged(INSPECTED, "alignment", to=float("inf")),
    dict,
]


@pytest.mark.parametrize("change", CHANGES)
def test_an_inspection_that_is_none(tmp_path: Path, change: Callable[[], dict[str, Any]]) -> None:
    path = tmp_path / "looks.json"
    path.write_text(json.dumps(INSPECTED))
    assert facts(read_inspections([path])[0])["images"] == "3 (folder)"
    path.write_text(json.dumps(change()))
    with pytest.raises(DataError, match=r"looks\.json: "):
        read_inspections([path])
