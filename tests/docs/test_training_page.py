"""docs/training.md names every key of a recipe, and of the lines that a run writes."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import BaseModel

from nsface.images.batches.augmentation import Augmentation
from nsface.recipe.finetuning import Freeze
from nsface.recipe.schema import Recipe
from nsface.recipe.sections import Guard, Optimizer, Sampler, Schedule
from nsface.recipe.validation import Validation
from nsface.run_folder.content import LogLine
from nsface.training import testing
from nsface.training.validation import Score

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```.*?^```|`[^`\n]+`", PAGE, re.DOTALL | re.MULTILINE)
NAMED = {word for code in CODE for word in re.findall(r"[a-z_]+", code)}


@pytest.mark.parametrize(
    "kind", [Recipe, Augmentation, Optimizer, Schedule, Sampler, Guard, Freeze, Validation, LogLine]
)
def test_it_names_every_key(kind: type[BaseModel]) -> None:
    assert kind.model_fields.keys() <= NAMED


@pytest.mark.parametrize("kind", [testing.Tested, Score])
def test_it_names_every_key_of_a_line(kind: type[testing.Tested | Score]) -> None:
    assert {field.name for field in fields(kind)} <= NAMED
