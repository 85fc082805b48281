"""A small table on faces, trained on rendered ones, and the command line in this process."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nsface.cli import main
from nsface.synthetic import LfwSet, YtfSet, write_lfw_set, write_training_set, write_ytf_set


@dataclass(frozen=True)
class Called:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def nsface(*arguments: object) -> Called:
    """Call `nsface ARGUMENTS…`."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            status = int(exit_.code or 0)
    return Called(status, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Faces:
    """Rendered sets in a folder, and the options of a table on them whose trainings take a moment."""

    folder: Path

    @cached_property
    def lfw(self) -> LfwSet:
        return LfwSet.in_folder(self.folder)

    @cached_property
    def ytf(self) -> YtfSet:
        return YtfSet.in_folder(self.folder)

    @property
    def images(self) -> tuple[object, ...]:
        return ("--train", self.folder / "train", "--lfw", self.lfw.images)

    @property
    def small(self) -> tuple[object, ...]:
        settings = (
            "iterations=4",
            "log_every=2",
            "batch_size=8",
            "network.channels=2",
            "network.embedding_size=8",
        )
        changes = [word for setting in settings for word in ("--set", setting)]
        return ("--recipe", "lfw-quick", *changes, "--jobs", 1, "--device", "cpu", "--precision", "fp32")

    def render(self) -> Faces:
        write_training_set(self.folder / "train", 4, 4)
        made = write_lfw_set(self.folder, folds=10, pairs=1)
        write_ytf_set(self.folder, familiar=made.familiar, folds=2, pairs=2, frames=2)
        return self
