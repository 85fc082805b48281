"""Every command in README, CONTRIBUTING and docs: blocks marked `sh` are run, all others must parse.

A `sh` block runs as it stands, page by page, in a folder with small synthetic sets under the names that the
pages use; trainings and renderings are made short. Blocks marked `shell` (installation, clusters, GPUs) and
indented lines are not run: their commands and options must exist.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nsface.cli import COMMANDS, LazyGroup, group
from nsface.images.sources import open_source
from nsface.synthetic import LfwSet, write_lfw_set, write_training_set, write_ytf_set

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What may stand in a `shell` block besides nsface: installation and Slurm.
NOT_RUN = (
    *("git ", "make ", "pip ", "#", "sbatch ", "srun ", "torchrun ", "{ [ $? -eq 130 ]"),
    "CUDA_VISIBLE_DEVICES=",
)
GLOBAL = {"--quiet", "--verbose", "--debug"}
SHORT = {
    "train": "--network light-resnet --set network.channels=8 --set network.embedding_size=16 --epochs 1 "
    "--set batch_size=16 --set device=cpu --set precision=fp32",
    "synth": "--identities 3 --images-each 2 --folds 2 --lfw-pairs 3 --ytf-pairs 2 --frames 1 --workers 1",
}


def blocks(page: Path, kind: str) -> list[str]:
    return [code for language, code in FENCE.findall(page.read_text()) if language == kind]


def code_lines(page: Path) -> Iterator[str]:
    """Logical lines of shell blocks, of indented code, and of code within sentences."""
    text = page.read_text()
    for kind in ("sh", "shell"):
        for block in blocks(page, kind):
            yield from block.replace("\\\n", " ").splitlines()
    rest = FENCE.sub("", text)
    yield from re.findall(r"^ {4}((?:.*\\\n)*.*)", rest, re.MULTILINE)
    yield from re.findall(r"`(nsface [a-z-]+ --[^`]*)`", rest)


def commands(line: str) -> Iterator[list[str]]:
    """The words of every `nsface …` in a line of shell."""
    lexer = shlex.shlex(
        re.sub(r"\[(-[^]]*)\]", r"\1", line.replace("\\\n", " ")), posix=True, punctuation_chars=True
    )
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*list(lexer), ";"]:
        if set(word) <= set(";&|()<>"):
            if "nsface" in words[:-1]:
                yield words[words.index("nsface") + 1 :]
            words = []
        else:
            words.append(word)


def parse(words: list[str]) -> None:
    """Raise a click error for what no command of nsface takes."""
    words = [word for word in words if word not in GLOBAL and "…" not in word]
    name, *arguments = words
    if name in ("--version", "--help"):
        return
    assert name in COMMANDS, f"no command {name}"
    assert isinstance(group, LazyGroup)
    command = group.get_command(click.Context(group), name)
    assert command is not None
    if isinstance(command, click.Group):  # `bench`, whose commands have options of their own
        name = arguments.pop(0)
        command = command.commands[name]
    for argument in arguments:
        if "/" in argument:  # the run folders that results go to are there
            Path(argument).parent.mkdir(parents=True, exist_ok=True)
    command.make_context(name, [re.sub(r"^\$\w+$", "1", argument) for argument in arguments])


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_parses(page: Path) -> None:
    for line in code_lines(page):
        for words in commands(line):
            parse(words)


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Every command, those of groups too."""
    assert isinstance(group, LazyGroup)
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {part}", inner) for part, inner in command.commands.items())


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("command", [pytest.param(one, id=name) for name, one in all_commands()])
def test_examples_of_the_help_parse(command: click.Command) -> None:
    assert command.help is not None
    examples = re.sub(r"\\\n *", " ", command.help.partition("Example")[2])
    for line in re.findall(r"^ *((?:nsface|find) .*?)(?: {3,}.*)?$", examples, re.MULTILINE):
        for words in commands(line):
            parse(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scripts_of_benchmarks_have_the_options(page: Path) -> None:
    for line in code_lines(page):
        if found := re.match(r"python (benchmarks/\w+\.py)(.*)", line, re.DOTALL):
            source = (ROOT / found[1]).read_text()
            if elsewhere := re.search(r"from (nsface\S+) import main$", source, re.MULTILINE):
                source += (ROOT / elsewhere[1].replace(".", "/")).with_suffix(".py").read_text()
            for option in re.findall(r"(?<!\S)--?([\w-]+)", found[2].partition("#")[0]):
                known = re.search(rf'["/-]{option}["/]', source)
                assert known, f"{found[1]}: no option {option}"


def test_blocks_that_are_not_run_are_what_they_say() -> None:
    for page in PAGES:
        for block in blocks(page, "shell"):
            for line in block.replace("\\\n", " ").splitlines():
                first = line.strip()
                assert not first or first.startswith(NOT_RUN) or first in ("nsface doctor",), line


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages take for granted: training faces, LFW, YTF, lists."""
    folder = tmp_path_factory.mktemp("sets")
    write_training_set(folder / "casia", identities=4, images=8)
    next((folder / "casia").iterdir()).rename(folder / "casia" / "0166921")  # whom CASIA-WebFace has
    write_training_set(folder / "casia.tar", identities=4, images=8)
    shutil.copy(folder / "casia.tar", folder / "faces.tar")
    made: LfwSet = write_lfw_set(folder, folds=10, pairs=2)
    subprocess.run(["tar", "cf", "lfw.tar", "lfw"], cwd=folder, check=True)
    write_ytf_set(folder, folds=10, pairs=1, frames=2, familiar=made.familiar)
    (folder / "ytf" / "frame_images_DB").rename(folder / "frame_images_DB")
    names = open_source(str(folder / "lfw")).names
    people = sorted({name.split("/")[0] for name in names})
    groups = [f"{person}\t{'ab'[number % 2]}\n" for number, person in enumerate(people)]
    (folder / "groups.txt").write_text("".join(groups))
    (folder / "benchmarks").mkdir()
    shutil.copy(folder / "pairs.txt", folder / "benchmarks")
    return folder


@pytest.fixture
def place(sets: Path, tmp_path: Path, warm_python: str) -> Path:
    """A folder of its own for a page, in which `nsface` is nsface with short trainings and renderings."""
    shutil.copytree(sets, tmp_path, symlinks=True, dirs_exist_ok=True)  # `find lfw` follows no link
    wrapper = tmp_path / "bin" / "nsface"
    wrapper.parent.mkdir()
    cases = "".join(
        f'  {name}) exec {shlex.quote(warm_python)} -m nsface "$@" {options};;\n'
        for name, options in SHORT.items()
    )
    script = f'#!/bin/sh\ncase "$1" in\n{cases}esac\nexec {shlex.quote(warm_python)} -m nsface "$@"\n'
    wrapper.write_text(script)
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IEXEC)
    return tmp_path


RUN = [page for page in PAGES if blocks(page, "sh")]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_blocks_run(page: Path, place: Path) -> None:
    path = os.pathsep.join([str(place / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    for block in blocks(page, "sh"):
        missing = [program for program in ("jq",) if program in block and not shutil.which(program)]
        if missing:
            pytest.skip(f"no {missing[0]} here")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=place, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_pages_are_not_empty_of_commands() -> None:
    """The patterns above find what they should."""
    assert {page.name for page in RUN} >= {"README.md", "training.md", "data.md", "scaling.md"}
    found = {words[0] for page in PAGES for line in code_lines(page) for words in commands(line) if words}
    assert {"train", "extract", "eval-lfw", "compare", "report", "pack", "synth"} <= found
    assert list(commands("x=$(nsface a b) && nsface c 'd e' | jq .; nsface f [--g h]")) == [
        ["a", "b"], ["c", "d e"], ["f", "--g", "h"],
    ]  # fmt: skip
