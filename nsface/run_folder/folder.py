"""`RunFolder`: the folder that `nsface train --out` makes. Without torch, but for `load_recipe`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from nsface import files
from nsface.checked import checked
from nsface.errors import DataError, NsfaceError, RecipeError, listing, shown
from nsface.files import reason, write_text
from nsface.run_folder import lock
from nsface.run_folder.content import (
    Environment,
    LogLine,
    OverlapEntry,
    ResolvedRecipe,
    TestLine,
    ValidationLine,
    overlap_entries,
)
from nsface.run_folder.json_lines import finished_lines, newest_lines
from nsface.untrusted import parse_json

if TYPE_CHECKING:
    from nsface.recipe.schema import Recipe

LATEST, PREVIOUS, GOOD = "latest.pt", "previous.pt", "good.pt"
_LONGEST_RECIPE = 1 << 20  # characters
_MOST_ALIASED = 10  # values, each of which may be long


class RunFolder:
    """The folder of one training run. Nothing is read or written before a method is called.

    Attributes:
        path: the folder.
        recipe_file: `recipe.yaml`, the resolved recipe. A folder that has it is a run folder.
        environment_file: `environment.json`: command, start and duration, versions, device, fingerprint of
            the data, changes of the recipe.
        log_file: `log.jsonl`, a line a logging step.
        validation_file: `validation.jsonl`, a line for each set of each validation.
        test_file: `test.jsonl`, a line for each test of a classification.
        held_out_file, held_out_pairs_file: `held_out.txt`, the identities that are held out of the training,
            a line each, and `held_out_pairs.txt`, the list of their pairs.
        csv_file: `log.csv`, the same as a table.
        tensorboard: `tensorboard`, the folder of curves for TensorBoard, where the recipe asks for them.
        checkpoints: the folder of the training's states.
        latest_checkpoint, previous_checkpoint: the newest state in it, and the one before.
        good_checkpoint: the state to which a run goes back, where its recipe says so.
        model_file: `model.safetensors`, the trained model, once the run is complete.
        best_model_file: `best.safetensors`, the model that was the best in the first validation.
        overlap_file: `overlap.json`, how the training set was compared with test sets.
        report_file: `report.html`.

    Example:
        >>> RunFolder("runs/noisy").model_file.as_posix()
        'runs/noisy/model.safetensors'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.recipe_file = self.path / "recipe.yaml"
        self.environment_file = self.path / "environment.json"
        self.log_file = self.path / "log.jsonl"
        self.validation_file = self.path / "validation.jsonl"
        self.test_file = self.path / "test.jsonl"
        self.held_out_file = self.path / "held_out.txt"
        self.held_out_pairs_file = self.path / "held_out_pairs.txt"
        self.csv_file = self.path / "log.csv"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = self.path / "checkpoints"
        self.latest_checkpoint = self.checkpoints / LATEST
        self.previous_checkpoint = self.checkpoints / PREVIOUS
        self.good_checkpoint = self.checkpoints / GOOD
        self.model_file = self.path / "model.safetensors"
        self.best_model_file = self.path / "best.safetensors"
        self.overlap_file = self.path / "overlap.json"
        self.report_file = self.path / "report.html"

    def is_run(self) -> bool:
        """Whether a run has begun in the folder: its recipe is there."""
        return os.path.isfile(self.recipe_file)

    def has_model(self) -> bool:
        """Whether a model is there: the run has been complete once."""
        return os.path.exists(self.model_file)

    def saved_checkpoints(self) -> list[Path]:
        """The states from which the training can go on, the newest first."""
        return [path for path in (self.latest_checkpoint, self.previous_checkpoint) if os.path.exists(path)]

    def check_new(self) -> None:
        """Refuse a folder that cannot be made, or that holds files which a run would overwrite.

        Raises:
            NsfaceError: with the reason.
        """
        try:
            files.check_folder(self.path)
        except NsfaceError as error:
            raise NsfaceError(f"{error}; choose another --out") from error
        of_others = (self.overlap_file, self.report_file)  # which other commands write, and a run does not
        files_of_runs = [f for name, f in vars(self).items() if name.endswith(("_file", "_checkpoint"))]
        for file in (file for file in files_of_runs if file not in of_others):
            if os.path.exists(file):
                name = file.relative_to(self.path)
                raise NsfaceError(
                    f"{shown(self.path)} holds {name} and is no run folder; choose another --out"
                )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder if it is not there, and while entered hold it against other processes.

        Raises:
            NsfaceError: it cannot be made, or another process holds it.
        """
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise NsfaceError(
                f"cannot make the run folder {shown(self.path)}: {reason(error)}; choose another --out"
            ) from error
        with lock.held(handle, self.path):
            yield

    def in_use(self) -> bool:
        """Whether a process is training in the folder; false too where the file system has no locks."""
        return lock.is_held(self.path)

    def load_recipe(self) -> Recipe:
        """The recipe, validated as for a training: its head and network must exist here.

        Raises:
            RecipeError: it cannot be read, or is wrong.
        """
        from nsface.recipe.schema import load_recipe

        return load_recipe(self.recipe_file)

    def read_recipe(self) -> tuple[str, dict[str, Any]]:
        """The recipe as text and as values, whatever heads and networks it names (see `ResolvedRecipe`).

        Raises:
            DataError: it is missing or damaged.
        """
        from nsface.recipe.text import read_resolved

        where = shown(self.recipe_file)
        try:
            text = self.read_bytes(self.recipe_file).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{where}: not UTF-8; train again") from error
        if len(text) > _LONGEST_RECIPE:
            raise DataError(f"{where}: {len(text):,} characters are no recipe; train again")
        try:
            values = read_resolved(text, _MOST_ALIASED)
        except RecipeError as error:
            raise DataError(f"{where}: {shown(error)}; train again") from error
        if not isinstance(values, dict):
            raise DataError(f"{where}: not a recipe; train again")
        return text, checked(ResolvedRecipe, values, str(self.recipe_file), "train again")

    def write_recipe(self, recipe: Recipe) -> None:
        """Write the resolved `recipe`, every default included."""
        write_text(self.recipe_file, recipe.to_yaml())

    def read_environment(self) -> dict[str, Any]:
        """What the numbers of the run depend on besides the recipe (see `Environment`).

        Raises:
            DataError: it is missing or damaged.
        """
        where = str(self.environment_file)
        content = parse_json(self.read_bytes(self.environment_file), where)
        return checked(Environment, content, where, "train again")

    def record_saved(self, step: int, seconds: float) -> None:
        """Write into environment.json the step of the newest checkpoint, and how long it took up to there."""
        self.write_environment(self.read_environment() | {"step": step, "seconds": seconds})

    def record_divergence(self, what: str) -> None:
        """Write into environment.json how the training has diverged, until it goes on."""
        self.write_environment(self.read_environment() | {"diverged": what})

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Write what the numbers of the run depend on besides the recipe."""
        write_text(self.environment_file, json.dumps(environment, indent=2) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """The lines of the log (see `LogLine`), but a last one without an end, which is still being written.

        Raises:
            DataError: it is missing, or a line is damaged; file and line are named.
        """
        return [line for line, _ in self._lines(self.log_file, LogLine)]

    def read_newest_lines(self) -> list[dict[str, Any]]:
        """The newest lines of the log, some forty at most; empty where there is none yet.

        Raises:
            DataError: a line is damaged.
        """
        return newest_lines(self.log_file, LogLine)

    def shorten_log(self, step: int) -> None:
        """Remove from the log what came after `step`, and a line without an end; make it if it is not there.

        Raises:
            DataError: a line is damaged; file and line are named.
        """
        self._shorten(self.log_file, LogLine, step)

    def read_validation(self) -> list[dict[str, Any]]:
        """The lines of the validations (see `ValidationLine`), as `read_log`; none where there are none.

        Raises:
            DataError: a line is damaged; file and line are named.
        """
        return self._read_if_there(self.validation_file, ValidationLine)

    def shorten_validation(self, step: int) -> None:
        """Remove from the lines of the validations what came after `step`, as `shorten_log`."""
        self._shorten(self.validation_file, ValidationLine, step)

    def read_tests(self) -> list[dict[str, Any]]:
        """The lines of the tests of a classification (see `TestLine`), as `read_log`; maybe none.

        Raises:
            DataError: a line is damaged; file and line are named.
        """
        return self._read_if_there(self.test_file, TestLine)

    def shorten_tests(self, step: int) -> None:
        """Remove from the lines of the tests what came after `step`, as `shorten_log`."""
        self._shorten(self.test_file, TestLine, step)

    def read_held_out(self) -> list[str]:
        """The identities that are held out of the training."""
        if not os.path.exists(self.held_out_file):
            return []
        return self.read_bytes(self.held_out_file).decode("utf-8", "surrogateescape").split("\n")[:-1]

    def write_held_out(self, identities: Sequence[str], pairs: str) -> None:
        """Write the identities that are held out of the training, and the list of their pairs."""
        write_text(self.held_out_file, "".join(f"{identity}\n" for identity in identities))
        write_text(self.held_out_pairs_file, pairs)

    def _read_if_there(self, file: Path, kind: type[BaseModel]) -> list[dict[str, Any]]:
        return [line for line, _ in self._lines(file, kind)] if os.path.lexists(file) else []

    def _shorten(self, file: Path, kind: type[BaseModel], step: int) -> None:
        lines = self._lines(file, kind) if os.path.lexists(file) else []
        write_text(file, "".join(text for line, text in lines if line["step"] <= step))

    def _lines(self, file: Path, kind: type[BaseModel]) -> list[tuple[dict[str, Any], str]]:
        """Every finished line of `file`, whose lines are of one `kind`, read and as it stands."""
        return finished_lines(self.read_bytes(file), str(file), kind)

    def read_overlap(self) -> dict[str, OverlapEntry]:
        """How the training set was compared with test sets, by the digest of each test set's names.

        Empty where it never was.

        Raises:
            DataError: the record cannot be read, or is no such record.
        """
        path = self.overlap_file
        if not os.path.exists(path):
            return {}
        return overlap_entries(parse_json(self.read_bytes(path), str(path)), path)

    def write_overlap(self, entries: Mapping[str, OverlapEntry]) -> None:
        """Write how the training set was compared with test sets."""
        content = {digest: entry.model_dump(exclude_none=True) for digest, entry in entries.items()}
        write_text(self.overlap_file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def read_bytes(self, file: Path) -> bytes:
        """The content of a `file` in this folder.

        Raises:
            DataError: it is missing, or cannot be read.
        """
        try:
            return file.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            below = sorted(folder.parent.name for folder in self.path.glob("*/recipe.yaml"))
            others = f"; there are run folders below it: {listing(below, 3)}" if below else ""
            raise DataError(
                f"{shown(self.path)}: no {shown(file.name)} in it; give a folder that "
                f"'nsface train --out' made{others}"
            ) from error
        except OSError as error:
            raise DataError(f"{shown(file)}: cannot be read: {reason(error)}") from error
