"""The worked examples of docs/architecture.md, run as they stand there."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface import cli, evaluate
from nsface.cli import compare, main
from nsface.embeddings import Embeddings, save
from nsface.heads import HEADS
from nsface.networks import NETWORKS
from nsface.protocols import PROTOCOLS, Entry
from nsface.synthetic import write_training_set

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
BLOCK = re.compile(r"^```python\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = dict(BLOCK.findall(PAGE.read_text()))


def module(path: str, **names: Any) -> types.ModuleType:
    """The block that begins with `# path`, run as a module that knows `names` besides."""
    made = types.ModuleType(f"example_{Path(path).stem}")
    made.__dict__.update(names)
    sys.modules[made.__name__] = made  # where dataclasses look for the names in annotations
    exec(compile(BLOCKS[path], path, "exec"), made.__dict__)
    return made


def run_tests(path: str, tmp_path: Path, **names: Any) -> int:
    """Run every test function of the block; parametrised ones with each of their values."""
    tests = [f for name, f in inspect.getmembers(module(path, **names)) if name.startswith("test_")]
    for number, test in enumerate(tests):
        for case, extra in enumerate(cases(test)):
            folder = tmp_path / f"{number}-{case}"
            folder.mkdir()
            wanted = {"tmp_path": folder} | extra
            test(**{name: wanted[name] for name in inspect.signature(test).parameters})
    return len(tests)


def cases(test: Callable[..., None]) -> list[dict[str, Any]]:
    marks = getattr(test, "pytestmark", [])
    return [{mark.args[0]: value} for mark in marks for value in mark.args[1]] or [{}]


def status(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


def train(tmp_path: Path, head: str, network: str) -> None:
    write_training_set(tmp_path / "faces", identities=3, images=4)
    recipe = f"head: {head}\nnetwork: {network}\nepochs: 1\nbatch_size: 6\ndevice: cpu\n"
    (tmp_path / "recipe.yaml").write_text(recipe)
    options = ("--data", tmp_path / "faces", "--out", tmp_path / "run")
    assert status("train", tmp_path / "recipe.yaml", *options) == 0
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_the_page_has_the_three_examples() -> None:
    assert len(BLOCKS) == 9
    assert PAGE.read_text().count("```python") == len(BLOCKS), "every block says which file it is"


def test_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = module("nsface/heads/constant_margin.py")
    monkeypatch.setitem(HEADS, "constant-margin", None)
    module("nsface/heads/__init__.py", HEADS=HEADS, ConstantMargin=example.ConstantMargin)
    names = {"ConstantMargin": example.ConstantMargin}
    assert run_tests("tests/heads/test_constant_margin.py", tmp_path, **names) == 1
    train(
        tmp_path,
        "{name: constant-margin, margin: 0.3}",
        "{name: light-resnet, embedding_size: 8, channels: 8}",
    )


def test_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = module("nsface/networks/pooled.py")
    monkeypatch.setitem(NETWORKS, "pooled", example.Pooled)
    module("nsface/networks/__init__.py", NETWORKS=NETWORKS, Pooled=example.Pooled)
    assert run_tests("tests/networks/test_pooled.py", tmp_path) == 1
    train(tmp_path, "{name: softmax}", "{name: pooled, embedding_size: 8, channels: 8}")


def test_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = module("protocols/csv_pairs.py")
    monkeypatch.setitem(sys.modules, "nsface.protocols.csv_pairs", example)
    monkeypatch.setitem(PROTOCOLS, "csv", None)
    module("protocols/__init__.py", PROTOCOLS=PROTOCOLS, Entry=Entry)
    monkeypatch.setitem(cli.COMMANDS, "eval-csv", PROTOCOLS["csv"].summary)  # as on the next start
    assert run_tests("tests/protocols/test_csv_pairs.py", tmp_path, Csv=example.Csv) == 2
    names = [f"{person}/{i}.jpg" for person in "ab" for i in range(8)]
    lines = [f"a/{i}.jpg,{'ab'[i % 2]}/{i + 1}.jpg,{(i + 1) % 2},{i // 4}\n" for i in range(7)]
    (tmp_path / "pairs.csv").write_text("".join([*lines, "b/1.jpg,a/5.jpg,0,1\n"]))
    for number in range(2):
        vectors = np.random.default_rng(number).normal(size=(16, 4)).astype(np.float32)
        save(tmp_path / f"{number}.npz", Embeddings(names, vectors))
    lists = ("--pairs", tmp_path / "pairs.csv")
    assert status("eval-csv", tmp_path / "0.npz", *lists) == 0
    assert capsys.readouterr().out.startswith("csv: 8 pairs (4 genuine, 4 impostors)")
    files = (tmp_path / "0.npz", tmp_path / "1.npz")
    importlib.reload(compare)  # its choices are made when it is imported
    assert status("compare", *files, "--protocol", "csv", *lists) == 0
    assert capsys.readouterr().out.startswith("csv: 8 pairs")
    assert evaluate.csv(files[0], tmp_path / "pairs.csv").protocol == "csv"  # type: ignore[attr-defined]
