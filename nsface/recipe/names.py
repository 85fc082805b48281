"""Recipes by name: those that are installed with nsface."""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePath

from nsface.arguments import unknown_name
from nsface.errors import RecipeError, shown
from nsface.files import reason


def shipped() -> dict[str, str]:
    """The name of each recipe that comes with nsface, and its YAML, in alphabetical order."""
    found = {}
    for entry in sorted(files("nsface.recipes").iterdir(), key=lambda entry: entry.name):
        name, _, extension = entry.name.rpartition(".")
        if extension == "yaml":
            found[name] = entry.read_text(encoding="utf-8")
    return found


def shipped_text(name: str) -> str:
    """The YAML of the recipe called `name` that comes with nsface.

    Raises:
        RecipeError: no such recipe.
    """
    known = shipped()
    if name not in known:
        raise RecipeError(unknown_name("recipe", name, known))
    return known[name]


def summary(text: str) -> str:
    """What a recipe is for: the comment that it begins with."""
    return text.splitlines()[0].removeprefix("#").strip()


def recipe_text(name_or_path: str | PurePath) -> tuple[str, str]:
    """The YAML of a recipe given by name or path, and what to call it in messages.

    A word without `/` and `.` is a name, whatever lies in the present folder.

    Raises:
        RecipeError: no such name or file, or a file that cannot be read.
    """
    given = str(name_or_path)
    if given in (known := shipped()):
        return known[given], f"{given}.yaml"
    where = shown(given)
    try:
        with open(given, encoding="utf-8-sig") as file:
            return file.read(), where
    except (FileNotFoundError, IsADirectoryError) as error:
        stem = PurePath(given).stem
        if stem in known:
            hint = f"; the recipe of that name comes with nsface: give {stem}"
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
