"""Recipes by name: those that are installed with nsface."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import PurePath

from nsface.arguments import unknown_name
from nsface.errors import RecipeError, shown
from nsface.files import reason


def shipped() -> dict[str, str]:
    """The name of each recipe that comes with nsface, and its YAML, in alphabetical order."""
    folder = files("nsface.recipes")
    names = sorted(e.name.removesuffix(".yaml") for e in folder.iterdir() if e.name.endswith(".yaml"))
    return {name: folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8") for name in names}


def summary(text: str) -> str:
    """What a recipe is for: the comment that it begins with."""
    return text.splitlines()[0].removeprefix("#").strip()


def recipe_text(name_or_path: str | PurePath, folder: str = "") -> tuple[str, str]:
    """The YAML of a recipe given by name, or by path from `folder`, and what to call it in messages.

    The name of a recipe that comes with nsface is that recipe, whatever lies in the folder.

    Raises:
        RecipeError: no such name or file, or a file that cannot be read.
    """
    given = str(name_or_path)
    if given in (known := shipped()):
        return known[given], f"{given}.yaml"
    path = os.path.join(folder, given)
    where = shown(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read(), where
    except (FileNotFoundError, IsADirectoryError) as error:
        stem = PurePath(given).stem
        if stem in known:
            hint = f"; the recipe of that name comes with nsface: give {stem}"
        elif os.path.isfile(f"{path}.yaml"):
            hint = f"; did you mean {where}.yaml?"
        elif PurePath(given).name == given and "." not in given:
            raise RecipeError(unknown_name("recipe or file", given, known)) from error
        else:
            hint = f"; the recipes that come with nsface are {', '.join(known)}"
        raise RecipeError(f"{where}: {reason(error)}{hint}") from error
    except OSError as error:
        raise RecipeError(f"{where}: cannot be read: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{where}: not a text file in UTF-8") from error
    except ValueError as error:  # a path with a null character
        raise RecipeError(f"{where}: no path of a file") from error
