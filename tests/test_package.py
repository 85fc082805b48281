"""The package: what it installs, and what the command line imports."""

from __future__ import annotations

import configparser
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

import nsface

ROOT = Path(__file__).resolve().parents[1]


def test_every_package_is_installed_and_none_besides() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = config["options"]["packages"].split()
    walked = os.walk(ROOT / "nsface", followlinks=True)
    found = [
        ".".join(Path(folder).relative_to(ROOT).parts)
        for folder, _, names in walked
        if "__init__.py" in names
    ]
    assert sorted(listed) == sorted(found)


def test_each_module_exists_once() -> None:
    assert nsface.__path__ == [str(ROOT / "nsface")]
    assert importlib.util.find_spec("nsface.nsface") is None
    for name in ("cli", "protocols", "recipes"):
        assert (ROOT / "nsface" / name).resolve() == ROOT / name


def test_every_requirement_has_one_bound_that_can_be_installed() -> None:
    # `make test-oldest` runs with the lowest versions; without a bound that is a package's first release
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lists = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    requirements = [Requirement(line) for lines in lists for line in lines.strip().splitlines()]
    bounds: dict[str, set[str]] = {}
    for requirement in requirements:
        assert [bound.operator for bound in requirement.specifier] in (["=="], [">="]), requirement
        bounds.setdefault(requirement.name, set()).add(str(requirement.specifier))
    assert all(len(found) == 1 for found in bounds.values()), bounds


def test_help_imports_neither_torch_nor_opencv() -> None:
    code = (
        "import sys; sys.argv = ['nsface', '--help']\n"
        "from nsface.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'cv2', 'numpy', 'pydantic'} & sys.modules.keys(), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_metrics_and_protocols_do_not_import_torch() -> None:
    modules = [
        f"nsface.{path.parent.name}.{path.stem}"
        for folder in (ROOT / "nsface" / "metrics", ROOT / "protocols")
        for path in folder.glob("[a-z]*.py")
    ]
    code = (
        f"import importlib, sys\nfor m in {modules!r}: importlib.import_module(m)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_python_m_and_the_console_script_agree() -> None:
    script = Path(sys.executable).parent / "nsface"
    for command in ([sys.executable, "-m", "nsface"], [str(script)]):
        result = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert result.stdout.startswith("nsface 0.")
