"""`nsface recipes`, and what the shell completes of recipes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete

from nsface.arguments import own_arguments
from nsface.cli import group
from nsface.heads import HEADS
from nsface.networks import NETWORKS
from nsface.recipe.names import shipped
from nsface.recipe.schema import load_recipe
from nsface.recipe.sections import Schedule

Run = Callable[..., Any]


def test_they_are_listed_and_printed(nsface: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listed = nsface("recipes")
    assert [line.split()[0] for line in listed.out.splitlines()] == list(shipped())
    assert max(map(len, listed.out.splitlines())) <= 80
    assert nsface("recipes", "lfw-small").out == shipped()["lfw-small"]
    (tmp_path / "mine.yaml").write_text("base: demo\nseed: 3\n")
    assert nsface("recipes", "mine.yaml").out == "base: demo\nseed: 3\n"
    outcome = nsface("recipes", "lfw-smal")
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "did you mean 'lfw-small'?" in outcome.err


def test_a_resolved_recipe_is_complete(nsface: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("base: casia-noisy\niterations: 14000\n")
    outcome = nsface("recipes", "mine.yaml", "--resolved")
    assert outcome.out == load_recipe("mine.yaml").to_yaml()
    assert "alpha2: 0.1" in outcome.out
    assert outcome.err.startswith("note: mine.yaml: schedule.milestones is [8000, 12000] in place of ")
    assert (nsface("recipes", "--resolved").status, nsface("recipes", "none.yaml").status) == (2, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["lfw-smal"], "did you mean 'lfw-small'?); there are: casia-"),
        (["lfw-small", "--changed"], "--changed goes with --resume"),
        (["lfw-small", "--set", "epoch=3"], "did you mean 'epochs'?); there are: data, "),
        (["lfw-small", "--epochs", "2", "--set", "iterations=3"], "either epochs or iterations, not both"),
    ],
)
def test_mistakes_are_one_line(nsface: Run, options: list[str], message: str) -> None:
    outcome = nsface("train", *options)
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert message in outcome.err


def completed(arguments: list[str], incomplete: str) -> list[str]:
    shell = ShellComplete(group, {}, "nsface", "_NSFACE_COMPLETE")
    return [item.value for item in shell.get_completions(arguments, incomplete) if item.type == "plain"]


@pytest.mark.parametrize(
    ("arguments", "incomplete", "expected"),
    [
        (["train"], "", list(shipped())),
        (["train"], "lfw", ["lfw-quick", "lfw-small"]),
        (["recipes"], "de", ["demo"]),
        (["train", "demo", "--head"], "", list(HEADS)),
        (["train", "demo", "--network"], "", list(NETWORKS)),
        (["train", "demo", "--set"], "optimizer.n", ["optimizer.nesterov="]),
        (["train", "demo", "--set"], "schedule.", [f"schedule.{key}=" for key in Schedule.model_fields]),
        (
            ["train", "--head", "arcface", "demo", "--set"],
            "head.",
            ["head.name=", *(f"head.{name}=" for name in own_arguments(HEADS["arcface"]))],
        ),
    ],
)
def test_completion(arguments: list[str], incomplete: str, expected: list[str]) -> None:
    assert isinstance(group, click.Group)
    assert completed(arguments, incomplete) == expected


@pytest.mark.parametrize(("word", "expected"), [("lfw", ["lfw-quick", "lfw-small"]), ("./mine", [])])
def test_bash_offers_recipes_and_files(tmp_path: Path, word: str, expected: list[str]) -> None:
    if (bash := shutil.which("bash")) is None:
        pytest.skip("no bash")
    program = tmp_path / "nsface"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nsface "$@"\n')
    program.chmod(0o755)
    script = f"""
        compopt() {{ [ "$2" = default ] && files=yes; }}
        eval "$(_NSFACE_COMPLETE=bash_source nsface)"
        COMP_WORDS=(nsface train {word}) COMP_CWORD=2
        _nsface_completion nsface
        echo "$files"; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    said = subprocess.run(
        [bash, "-c", script], cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert said.stdout.split() == ["yes", *expected], said.stderr
