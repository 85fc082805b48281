"""`import nsface`: light, and every public name is there."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import nsface
from nsface.heads import HEADS


def test_importing_nsface_imports_nothing_heavy() -> None:
    code = (
        "import sys, nsface\n"
        "assert 'evaluate' in dir(nsface)\n"
        "heavy = {'torch', 'numpy', 'scipy', 'sklearn', 'cv2', 'pydantic', 'click', 'yaml', 'matplotlib'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there_and_has_a_docstring() -> None:
    assert set(nsface.__all__) <= set(dir(nsface))
    for name in nsface.__all__:
        assert name == "__version__" or inspect.getdoc(getattr(nsface, name)), name


def test_every_head_is_public() -> None:
    for cls in HEADS.values():
        assert getattr(nsface, cls.__name__) is cls


def test_a_head_that_is_added_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    added = type("AddedHead", (HEADS["softmax"],), {})
    monkeypatch.setitem(HEADS, "added", added)
    assert nsface.AddedHead is added
    monkeypatch.delitem(vars(nsface), "AddedHead")


def test_names_for_type_checkers_are_those_at_run_time() -> None:
    tree = ast.parse(Path(nsface.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            found = getattr(nsface, alias.asname or alias.name)
            assert found is getattr(sys.modules[str(node.module)], alias.name)
    named = {alias.asname or alias.name for node in block.body for alias in getattr(node, "names", ())}
    assert named | {"__version__"} == set(nsface.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_modell'"):
        nsface.load_modell  # noqa: B018
