"""The worked example of docs/objectives.md, run as it stands there, and the tables beside it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from nsface.heads import HEADS, NormFace
from nsface.recipe.schema import Recipe
from nsface.training.build import build_head
from tests.heads.oracle import batch, ready

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "objectives.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def example() -> Iterator[dict[str, Any]]:
    """What the blocks of the page define, with the head in the registry for as long as the test runs."""
    names: dict[str, Any] = {"HEADS": HEADS}
    for path in ("nsface/heads/growing_margin.py", "nsface/heads/__init__.py"):
        exec(compile(BLOCKS[path], path, "exec"), names)
    yield names
    del HEADS["growing-margin"]


def recipe(**head: Any) -> Recipe:
    return Recipe.model_validate(
        {"network": {"name": "light-resnet", "embedding_size": 4}, "head": head, "epochs": 1}
    )


def test_the_example_passes_its_own_test(example: dict[str, Any]) -> None:
    path = "tests/heads/test_growing_margin.py"
    exec(compile(BLOCKS[path], path, "exec"), example)
    tests = [value for name, value in example.items() if name.startswith("test_")]
    assert len(tests) == 1
    tests[0]()


def test_the_example_can_be_named_in_a_recipe(example: dict[str, Any]) -> None:
    head = build_head(recipe(name="growing-margin", margin=0.2, alpha2=0.1, sample_rate=0.5), identities=9)
    assert isinstance(head, example["GrowingMargin"])
    assert (head.margin, head.noise.alpha2, head.sample_rate) == (0.2, 0.1, 0.5)
    with pytest.raises(ValidationError, match=r"margin must be in \[0, 1\], not 2"):
        recipe(name="growing-margin", margin=2)


def test_the_example_begins_as_normface(example: dict[str, Any]) -> None:
    features, labels = batch(5, 4, 6)
    head, plain = ready(example["GrowingMargin"](4, 5)), ready(NormFace(4, 5, scale=64))
    assert torch.equal(head(features, labels).loss, plain(features, labels).loss)


def rows() -> dict[str, list[str]]:
    """Cells of the tables of heads, by name."""
    tables = PAGE.split("**What to expect.**")[0].replace("\\|", "")
    lines = re.findall(r"^\| `([a-z-]+)` \|(.*)\|$", tables, re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in lines}


def test_every_head_has_its_row() -> None:
    assert set(rows()) == set(HEADS)


@pytest.mark.parametrize("name", HEADS)
def test_rows_have_every_argument_and_its_default(name: str) -> None:
    arguments = rows()[name][1]
    common = {"alpha2", "sample_rate"} if HEADS[name].unit_weights else set()
    for parameter in inspect.signature(HEADS[name]).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.name in common:
            continue
        if parameter.name == "bias":
            assert arguments.split(", ")[-1] == "bias"
            continue
        default = parameter.default
        shown = str(default).lower() if isinstance(default, (bool, str)) else f"{default:g}"
        assert re.search(rf"`{parameter.name}` (\S+ )?{re.escape(shown)}\b", arguments), parameter.name
