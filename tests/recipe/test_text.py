"""The YAML of resolved recipes is read block by block, with the values that reading it whole gives."""

from __future__ import annotations

from typing import Any

import pytest

from nsface.errors import RecipeError
from nsface.recipe import text as text_module
from nsface.recipe.names import shipped
from nsface.recipe.schema import load_recipe
from nsface.recipe.text import read_resolved, read_yaml

OTHERS = [
    "a: 1\nb:\n- x\n- {c: 2}\nd:\n  e: 1e-3\n  f: null\n",
    "a: 'x\n  y: 1'\nb: 2\n",
    "a: [1,\n  2]\nb: 2\n",
    "a: 1\na: 2\n",
    "a: one # a remark\nb: 2\n",
    "a: &x [1]\nb: *x\n",
    "a: |\n  text\n\nb: 2\n",
    "a: 1\nb: 2",
    "a:\nb:\n",
    "a: 'b: c'\nd: 'it''s'\n",
    "text\n",
    "a:b\n",
    "a: 'x\nb: y'\n",
    "a: [1,\nb: 2]\n",
    "",
]
WRONG = ["a: [1\nb: 2\n", "a:b\nc: 1\n", "a: b: c\n", "a: 1\n  b: 2\n", "a: {\n"]


@pytest.mark.parametrize("text", OTHERS)
def test_any_text_has_the_values_of_the_whole(text: str) -> None:
    assert read_resolved(text) == read_yaml(text)[1]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_as_a_whole_is_wrong(text: str) -> None:
    with pytest.raises(RecipeError) as expected:
        read_yaml(text)
    with pytest.raises(RecipeError) as found:
        read_resolved(text)
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("name", shipped())
def test_recipes_are_read_by_blocks_alike_and_only_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [load_recipe(name, {"data": "some/faces.tar", "seed": seed}).to_yaml() for seed in (0, 1)]
    text_module._read_block.cache_clear()
    first = read_resolved(texts[0])
    assert first == read_yaml(texts[0])[1]
    first["head"]["name"] = "changed by whoever has read it"
    read: list[str] = []

    def counted(text: str, *rest: Any) -> Any:
        read.append(text)
        return read_yaml(text, *rest)

    monkeypatch.setattr(text_module, "read_yaml", counted)
    assert read_resolved(texts[1]) == read_yaml(texts[1])[1]
    assert read == ["seed: 1\n"]
