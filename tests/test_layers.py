"""Which part of nsface may import which: no part imports one above it, and none in a circle."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# The small shared modules beside the folders; they import each other at most.
SHARED = {
    "arguments", "checked", "device", "errors", "files", "finite", "groups", "lifeline", "meeting", "names",
    "norms", "pool", "preprocessing", "presets", "private_torch", "processes", "ranges", "ranks", "row_file",
    "seeds", "stored_rows", "text", "unfinished", "untrusted", "vectors", "weightless",
}  # fmt: skip

# Each folder, or larger module beside the folders, and the others that it may import besides the shared ones.
# cli is not here: it may import everything.
MAY_IMPORT: dict[str, set[str]] = {
    "auxiliary": set(),
    "benchmark": {
        "auxiliary",
        "embeddings",
        "evaluate",
        "heads",
        "images",
        "model",
        "networks",
        "recipe",
        "reproduce",
        "run_folder",
        "synthetic",
        "training",
    },
    "embeddings": {"images", "model", "networks", "onnx", "run_folder"},
    "evaluate": {"embeddings", "protocols", "results"},
    "heads": set(),
    "images": set(),
    "importing": {"model", "networks", "onnx"},
    "installation": {"images"},
    "metrics": set(),
    "model": {"networks"},
    "networks": set(),
    "onnx": {"model"},
    "protocols": {"embeddings", "metrics", "results"},
    "recipe": {"auxiliary", "heads", "images", "model", "networks"},
    "recipes": set(),
    "report": {"images", "recipe", "results", "run_folder"},
    "reproduce": {
        "embeddings",
        "images",
        "metrics",
        "protocols",
        "recipe",
        "report",
        "results",
        "run_folder",
        "training",
    },
    "results": set(),
    "run_folder": {"recipe"},
    "synthetic": {"images"},
    "training": {
        "auxiliary",
        "heads",
        "images",
        "installation",
        "model",
        "networks",
        "recipe",
        "run_folder",
    },
}

# Single imports that the table would forbid, each with its reason.
EXCEPTIONS = {
    # the labels of a .bin set lie in one file with its images
    ("nsface.protocols.bin_file", "nsface.images.sources.bin"),
    # a network in training is scored as a model file is: by the protocols, with embeddings as of extract
    ("nsface.training.validation", "nsface.embeddings.model"),
    ("nsface.training.validation", "nsface.results"),
    ("nsface.training.validation_sets", "nsface.embeddings.file"),
    ("nsface.training.validation_sets", "nsface.protocols.at_threshold"),
    ("nsface.training.validation_sets", "nsface.protocols.bin_file"),
    ("nsface.training.validation_sets", "nsface.protocols.pair_lists"),
    ("nsface.training.validation_sets", "nsface.protocols.pairs"),
    ("nsface.training.validation_sets", "nsface.protocols.trials"),
    ("nsface.training.validation_sets", "nsface.protocols.verification"),
    ("nsface.training.validation_sets", "nsface.results"),
    # a line about a test of a classification is no result of a protocol
    ("nsface.training.testing", "nsface.metrics.calibration_error"),
    # the difference of means over seeds: of several runs, so no single result holds it
    ("nsface.report.comparisons", "nsface.metrics.statistics"),
    ("nsface.report.seed_tests", "nsface.metrics.statistics"),
}

# What a protocol knows of embeddings: their file, its description, and templates; never their extraction.
EMBEDDINGS_FILE = {"nsface.embeddings.file", "nsface.embeddings.meta", "nsface.embeddings.pooling"}


def modules() -> dict[str, Path]:
    """Every module of nsface, as it is imported, and its file."""
    found = {}
    for folder, _, files in os.walk(ROOT / "nsface", followlinks=True):
        for path in (Path(folder) / file for file in files if file.endswith(".py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def part_of(module: str) -> str:
    """The folder of a module, or the module where it lies beside the folders; `nsface` for the package."""
    return module.split(".")[1] if "." in module else module


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules of nsface that are imported anywhere in `tree`, but for type checkers alone."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        for statement in tree.orelse:
            yield from imports(statement)
        return
    names: list[str] = []
    if isinstance(tree, ast.Import):
        names = [alias.name for alias in tree.names]
    elif isinstance(tree, ast.ImportFrom):
        assert not tree.level, "imports are absolute"
        for alias in tree.names:
            inner = f"{tree.module}.{alias.name}"
            names.append(inner if inner in MODULES else str(tree.module))
    yield from (name for name in names if name in MODULES)
    for node in ast.iter_child_nodes(tree):
        yield from imports(node)


# The package itself is left out: what nsface/__init__.py gives, it imports when it is asked for.
IMPORTS = [
    (module, imported)
    for module, path in MODULES.items()
    for imported in sorted(set(imports(ast.parse(path.read_text()))))
    if "nsface" not in (module, imported) and part_of(module) != part_of(imported)
]


def test_the_table_names_every_part() -> None:
    parts = {part_of(module) for module in MODULES} - {"nsface", "__main__", "cli"}
    assert parts == SHARED | MAY_IMPORT.keys()


def test_no_part_imports_one_that_it_may_not() -> None:
    found = []
    for module, imported in IMPORTS:
        part, other = part_of(module), part_of(imported)
        if part not in ("cli", "__main__") and other not in SHARED | MAY_IMPORT.get(part, set()):
            found.append((module, imported))
    assert set(found) == EXCEPTIONS, "an import that is not allowed, or an exception that is not needed"


def test_only_the_program_imports_the_command_line() -> None:
    assert {part_of(module) for module, imported in IMPORTS if part_of(imported) == "cli"} == {"__main__"}


def test_the_page_says_what_the_table_says() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    said = {}
    for row in re.findall(r"^\| `.*", page, re.MULTILINE):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        for part in re.findall(r"`(?:nsface/)?(\w+)`", cells[0]):
            said[part] = set(re.findall(r"`(\w+)`", cells[2])) if cells[2] != "everything" else None
    assert said == {**MAY_IMPORT, "cli": None}


def test_no_part_imports_another_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for module, imported in IMPORTS:
        graph.setdefault(part_of(module), set()).add(part_of(imported))
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


def test_protocols_know_the_embeddings_file_alone() -> None:
    known = {
        imported
        for module, imported in IMPORTS
        if part_of(module) == "protocols" and part_of(imported) == "embeddings"
    }
    assert known <= EMBEDDINGS_FILE


@pytest.mark.parametrize("heavy", ["torch", "cv2"])
def test_evaluation_works_without(heavy: str) -> None:
    parts = ("evaluate", "metrics", "results", "protocols")
    light = [module for module in MODULES if part_of(module) in parts]
    code = (
        f"import importlib, sys\nfor module in {light!r}: importlib.import_module(module)\n"
        f"assert {heavy!r} not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
