"""The tables of docs/recipes.md: every recipe that comes with nsface, its network, head and length."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nsface.recipe.names import shipped
from nsface.recipe.schema import load_recipe

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
ROWS = {
    name: cells.split(" | ") for name, cells in re.findall(r"^\| `([\w-]+)` \| (.*) \|$", PAGE, re.MULTILINE)
}


def test_every_recipe_has_a_row() -> None:
    assert sorted(ROWS) == list(shipped())


@pytest.mark.parametrize("name", shipped())
def test_a_row_says_what_the_recipe_says(name: str) -> None:
    recipe = load_recipe(name)
    arguments = [f"{key} {value:g}" for key, value in recipe.head.arguments.items()]
    length = f"{recipe.epochs} epochs" if recipe.epochs else f"{recipe.iterations:,} iterations"
    size = f"{recipe.input.height}×{recipe.input.width}"
    head = ", ".join([recipe.head.name, *arguments])
    assert ROWS[name][:5] == [size, recipe.network.name, head, length, f"{recipe.batch_size:,}"]


@pytest.mark.parametrize("name", shipped())
def test_a_figure_has_a_source_and_a_time_its_machine(name: str) -> None:
    figure, time = ROWS[name][5:]
    sources = re.findall(r"^(\d)\. ", PAGE.split("\n## Sources\n")[1], re.MULTILINE)
    assert figure.startswith(("none", "[measured here]")) or figure[-3:] in [f"[{n}]" for n in sources]
    assert time == "not measured yet" or re.search("minutes? .*core", time)
