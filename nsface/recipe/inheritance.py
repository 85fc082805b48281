"""A recipe as it is written, with the recipes that it is based on: `base: NAME-or-path`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import yaml

from nsface.errors import RecipeError, shown
from nsface.recipe.faults import BASE, brief, key_lines
from nsface.recipe.length import fit_schedule, length
from nsface.recipe.merging import merge
from nsface.recipe.names import recipe_text, shipped
from nsface.recipe.text import dotted, read_yaml

LONGEST_CHAIN = 10  # recipes, each based on the next


@dataclass(frozen=True)
class Written:
    """A recipe as it is written, not validated, with what it takes from its bases.

    Attributes:
        where: its name in messages.
        content: its values by key.
        places: by dotted key, the file and line at which a value stands.
        notes: lines about times of schedules that were scaled.
    """

    where: str
    content: dict[str, Any]
    places: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def place(self, key: str) -> str:
        """Where the value under the dotted `key` stands; without a line if the key is no text, as `true`."""
        return self.places.get(key, self.where)


def read_written(name_or_path: str | PurePath) -> Written:
    """Read a recipe, and those that it is based on, whose values its own take the place of.

    A `base` is the name of a recipe that comes with nsface, or a path from the folder of the file that gives
    it. Values are merged by `nsface.recipe.merging.merge`. Where a file gives another length than its base,
    times of the base's schedule that do not fit are scaled with it.

    Raises:
        RecipeError: a recipe cannot be read or is none, they are based on each other in a circle or in too
            long a row, or a file gives keys where its base has a value without keys.
    """
    given, folder, place = str(name_or_path), "", ""
    chain: list[Written] = []
    files: list[str] = []
    while True:
        try:
            written = _parsed(*recipe_text(given, folder))
        except RecipeError as error:
            raise RecipeError(f"{place}{error}") from error
        named = given in shipped()
        file = given if named else os.path.realpath(os.path.join(folder, given))
        if file in files:
            circle = " → ".join([one.where for one in chain[files.index(file) :]] + [given])
            raise RecipeError(shown(f"{place}recipes based on each other ({circle}); remove one base"))
        if len(chain) == LONGEST_CHAIN:
            raise RecipeError(shown(f"{place}more than {LONGEST_CHAIN} recipes in a row; join some of them"))
        chain.append(written)
        files.append(file)
        base = written.content.pop(BASE, None)
        if base is None:
            break
        place = f"{written.place(BASE)}: {BASE}: "
        if not isinstance(base, str):
            raise RecipeError(shown(f"{place}give the name of a recipe, or a path, not {brief(base)}"))
        folder = "" if named else os.path.dirname(os.path.join(folder, given))
        given = base
    whole = chain.pop()
    while chain:
        whole = _based(chain.pop(), whole)
    return whole


def _parsed(text: str, where: str) -> Written:
    """The recipe in `text`, alone."""
    try:
        node, content = read_yaml(text)
    except RecipeError as error:
        raise RecipeError(shown(f"{where}: {error}")) from error
    if not isinstance(content, dict) or not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"{where}: not a recipe; it must hold keys and values such as `epochs: 20`")
    lines = key_lines(node, where)
    return Written(where, content, {key: f"{where}:{line}" for key, line in lines.items()})


def _based(own: Written, base: Written) -> Written:
    """`own` with what it takes from its `base`, whose content is changed."""
    base_length = length(base.content)
    merge(base.content, own.content, own.place)
    notes = list(base.notes)
    if scaled := fit_schedule(base.content, base_length, dotted(own.content)):
        notes.append(f"{own.where}: {scaled}")
    inherited = {key: place for key, place in base.places.items() if _stands(key, base.content)}
    return Written(own.where, base.content, inherited | own.places, notes)


def _stands(key: str, content: Any) -> bool:
    """Whether there is a value under the dotted `key`: what a list has taken the place of is gone."""
    for part in key.split("."):
        inside = content if isinstance(content, dict) else {}
        if isinstance(content, list):
            inside = {str(index): item for index, item in enumerate(content)}
        if part not in inside:
            return False
        content = inside[part]
    return True
