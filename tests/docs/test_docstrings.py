"""Docstrings: the examples in them are right, and everything in the reference of `make docs` has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES: tuple[str, ...] = runpy.run_path(str(ROOT / "docs" / "reference.py"))["MODULES"]
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for folder in ("", "cli", "protocols", "recipes")  # which are links, and so not searched with the rest
    for path in (ROOT / "nsface" / folder).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


def modules(name: str) -> list[str]:
    """The module `name`, and the modules in it."""
    path = getattr(importlib.import_module(name), "__path__", [])
    return [name, *(f"{name}.{inner.name}" for inner in pkgutil.iter_modules(path))]


def documented() -> Iterator[tuple[str, ModuleType]]:
    """Every module of the reference."""
    for name in MODULES:
        module = importlib.import_module(name)
        for inner in [name] if hasattr(module, "__all__") else modules(name):
            yield inner, importlib.import_module(inner)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_are_right(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_metrics_have_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in modules("nsface.metrics")[1:]:
        assert any(test.examples for test in finder.find(importlib.import_module(name))), name


def test_everything_in_the_reference_has_a_docstring() -> None:
    missing = []
    for name, module in documented():
        if not module.__doc__:
            missing.append(name)
        for public in getattr(module, "__all__", [one for one in vars(module) if not one.startswith("_")]):
            found = getattr(module, public)
            own = str(getattr(found, "__module__", "")).startswith("nsface")
            if own and (inspect.isclass(found) or inspect.isfunction(found)):
                missing += [f"{name}.{public}.{part}" for part in undocumented(found)]
    assert not missing


def undocumented(found: type | object) -> Iterator[str]:
    """ "" where `found` has no docstring, and the names of a class's own public methods that have none."""
    if not inspect.getdoc(found):
        yield ""
    if inspect.isclass(found):
        for name, member in vars(found).items():
            method = member.fget if isinstance(member, property) else member
            if (
                inspect.isfunction(method)
                and not name.startswith("_")
                and not inspect.getdoc(getattr(found, name))
            ):
                yield name
