"""SIGKILL at seeded moments: a training that is killed again and again ends as one that never was.

    python benchmarks/kills.py
    python benchmarks/kills.py --kills 200 --seed 1 --settings two-ranks streaming

Short runs in several settings are killed at moments drawn from the seed and resumed at once; after a few
kills a run is left to its end. Its model must then be that of a run that was never killed, byte for byte,
and so must every tensor of its last state and every line of its logs, times apart. No file, process or
shared memory may be left over. Prints a table, and a line for everything that differs; exits with 1 if
anything does.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from killing import Command, left_in_shared_memory, left_running, shared_memory

from nsface.errors import ModelError
from nsface.run_folder import RunFolder
from nsface.training.checkpoint import load_checkpoint

RECIPE: dict[str, Any] = {
    "network": {"name": "light-resnet", "embedding_size": 16, "channels": 8},
    "head": {"name": "noisy-softmax"},
    "augmentation": {"shift": 2, "erase": 0.3},
    "epochs": 4,
    "batch_size": 6,
    "log_every": 1,
    "checkpoint_minutes": 0.001,
    "device": "cpu",
    "precision": "fp32",
}
FACES = ["--identities=8", "--images-each=8", "--lfw-pairs=0", "--ytf-pairs=0", "--workers=1"]
TIMES = {"images_per_second", "seconds"}  # the keys of logs that differ from run to run
MOMENTS = ("starting", "training", "saving", "ending")
KILLS_PER_RUN = 3
SECONDS_TO_END = 30.0  # for the processes that a killed one had started


@dataclass(frozen=True)
class Setting:
    """How runs are made: what their recipe has besides `RECIPE`, and the number of processes."""

    recipe: dict[str, Any] = field(default_factory=dict)
    ranks: int = 1


SETTINGS = {
    "one-process": Setting(),
    "two-ranks": Setting(ranks=2),
    "streaming": Setting({"streaming": 2}),
    "validation-ema": Setting({"validate": {"held_out": 4, "every": 0.5}, "ema": 0.9}),
}


@dataclass
class Outcome:
    """What the kills of one setting did.

    Attributes:
        kills: the number of kills at each kind of moment.
        half_written: the number of kills that left a state half-written, or written and not yet named, where
            the kill before it had not.
        runs: the number of runs that were killed and came to their end.
        lost: for each kill, the steps in the log that the newest state did not have.
        faults: what differed or was left over.
    """

    kills: Counter[str] = field(default_factory=Counter)
    half_written: int = 0
    runs: int = 0
    lost: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, resume and compare as the arguments say; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=60, help="in all settings together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="NAME")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # a process with threads cannot be forked safely
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(options.settings):
            first, end = (options.kills * n // len(options.settings) for n in (number, number + 1))
            killing = Killing(SETTINGS[name], Path(folder) / name, random.Random(f"{options.seed}/{name}"))
            outcomes[name] = killing.run(end - first)
    print(table(outcomes))
    faults = [f"{name}: {fault}" for name, outcome in outcomes.items() for fault in outcome.faults]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def table(outcomes: dict[str, Outcome]) -> str:
    """The outcomes as a table in Markdown."""
    head = ["setting", "kills", *(f"while {moment}" for moment in MOMENTS), "half-written states", "runs"]
    head += ["steps lost, mean", "most", "faults"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, outcome in outcomes.items():
        lost = outcome.lost or [0]
        cells = [name, outcome.kills.total(), *(outcome.kills[moment] for moment in MOMENTS)]
        cells += [outcome.half_written, outcome.runs, f"{statistics.mean(lost):.1f}", max(lost)]
        cells += [len(outcome.faults)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


class Killing:
    """The kills of one setting, in the folder `place`, which is made."""

    def __init__(self, setting: Setting, place: Path, draw: random.Random) -> None:
        self._setting, self._place, self._draw = setting, place, draw
        self._outcome = Outcome()
        self._sessions: list[int] = []
        self._moments: list[str] = []
        self._recipe = place / "recipe.yaml"
        place.mkdir()
        faces = place / "faces"
        with Command(["synth", str(faces), *FACES]) as synth:
            if faults := synth.end():
                raise SystemExit(f"no faces: {faults[0]}")
        recipe = RECIPE | {"data": str(faces / "train")} | setting.recipe
        self._recipe.write_text(yaml.safe_dump(recipe))

    def run(self, kills: int) -> Outcome:
        """Make one run that is not killed, and others that are, `kills` times in all."""
        outcome, shared, whole = self._outcome, shared_memory(), self._place / "whole"
        with self._training(whole) as training:
            start = training.until(lambda: steps_logged(whole) > 0)
            outcome.faults += training.end()
        while outcome.kills.total() < kills and not outcome.faults:
            self._killed_run(whole, min(KILLS_PER_RUN, kills - outcome.kills.total()), start)
        outcome.faults += [f"still running: {name}" for name in left_running(self._sessions, SECONDS_TO_END)]
        outcome.faults += [f"left in shared memory: {name}" for name in left_in_shared_memory(shared)]
        return outcome

    def _killed_run(self, whole: Path, kills: int, start: float) -> None:
        """Make a run that is killed and resumed up to so many times, and compare it with the `whole` one."""
        outcome = self._outcome
        run = self._place / f"run-{outcome.runs}"
        total = RunFolder(whole).read_log()[-1]["step"]
        for _ in range(kills):
            moment, before = self._next_moment(), being_written(run)
            with self._training(run) as training:
                if not self._kill(training, run, moment, start, total):
                    outcome.faults += training.end()
                    break
                outcome.faults += training.hung()
            outcome.kills[moment] += 1
            outcome.half_written += being_written(run) and not before
            try:
                outcome.lost.append(steps_lost(run))
            except ModelError as error:
                outcome.faults.append(str(error))
            print(f"{run}: killed while {moment}, at step {steps_logged(run)}", file=sys.stderr)
        with self._training(run) as training:
            outcome.faults += training.end()
        outcome.runs += 1
        if not outcome.faults:
            outcome.faults += [f"{run.name}: {fault}" for fault in differences(whole, run)]

    def _next_moment(self) -> str:
        """One of `MOMENTS`, in random order, each as often as the others."""
        if not self._moments:
            self._moments = self._draw.sample(MOMENTS, len(MOMENTS))
        return self._moments.pop()

    def _training(self, run: Path) -> Command:
        command = Command(["train", str(self._recipe), "--out", str(run), "--resume"], self._setting.ranks)
        self._sessions += command.processes
        return command

    def _kill(self, training: Command, run: Path, moment: str, start: float, total: int) -> bool:
        """Kill one rank or all at a `moment` of this kind; false if the training has ended before."""
        share, delay = self._draw.random(), self._draw.random()
        ranks = range(self._setting.ranks)
        victims = self._draw.choice([ranks, *([rank] for rank in ranks)])
        begun_at = steps_logged(run)
        if moment == "starting":
            time.sleep(delay * start)
        elif moment == "training":
            training.until(lambda: steps_logged(run) > begun_at + share * (total - begun_at))
            time.sleep(0.05 * delay)
        elif moment == "saving":
            self._wait_for_saving(training, run, 1 + int(5 * share))
            time.sleep(0.005 * delay)
        else:
            training.until(lambda: steps_logged(run) == total)
            time.sleep(0.05 * delay)
        return training.kill(victims)

    @staticmethod
    def _wait_for_saving(training: Command, run: Path, number: int) -> None:
        """Return when the training writes its state for the time with this `number`, from 1."""
        written, before = 0, being_written(run)  # what a killed one has left does not count

        def reached() -> bool:
            nonlocal written, before
            now = being_written(run)
            written, before = written + (now and not before), now
            return written >= number

        training.until(reached)


def being_written(run: Path) -> bool:
    """Whether a state of `run` is being written, or was when its process was killed."""
    return any(RunFolder(run).checkpoints.glob(".*.part*"))


def steps_logged(run: Path) -> int:
    """The number of lines in the log of `run`, which has one for each step."""
    try:
        return RunFolder(run).log_file.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def steps_lost(run: Path) -> int:
    """The steps in the log of `run` that its newest state does not have.

    Raises:
        ModelError: the newest state is damaged.
    """
    states = RunFolder(run).saved_checkpoints()
    saved = load_checkpoint(states[0], torch.device("cpu"))["step"] if states else 0
    return max(0, steps_logged(run) - saved)


def differences(whole: Path, run: Path) -> list[str]:
    """What is not the same in two folders of finished runs, a line each."""
    found = [f"{name} is in one folder only" for name in sorted(file_names(whole) ^ file_names(run))]
    if found:
        return found
    one, other = RunFolder(whole), RunFolder(run)
    found += [
        f"another {path.name}"
        for path in whole.glob("*.safetensors")
        if path.read_bytes() != (run / path.name).read_bytes()
    ]
    states = [flat(load_checkpoint(of.latest_checkpoint, torch.device("cpu"))) for of in (one, other)]
    keys = states[0].keys() | states[1].keys()
    found += [f"another state: {key}" for key in sorted(keys) if states[0].get(key) != states[1].get(key)]
    found += [
        f"another {path.name}"
        for path in sorted([*whole.glob("*.jsonl"), *whole.glob("*.csv")])
        if without_times(path) != without_times(run / path.name)
    ]
    return found


def without_times(log: Path) -> list[dict[str, Any]]:
    """The lines of a log, of JSON or a table, without what differs from run to run."""
    lines = log.read_text(encoding="utf-8").splitlines()
    found = csv.DictReader(lines) if log.suffix == ".csv" else map(json.loads, lines)
    return [{key: value for key, value in line.items() if key not in TIMES} for line in found]


def file_names(folder: Path) -> set[str]:
    """All files below `folder`, hidden ones too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def flat(state: Any, name: str = "state") -> dict[str, Any]:
    """Everything in a state by its place; the bytes of tensors, with their shape and strides."""
    if isinstance(state, torch.Tensor):
        return {name: (state.dtype, state.shape, state.stride(), state.numpy().tobytes())}
    if isinstance(state, (list, tuple)):
        state = dict(enumerate(state))
    if not isinstance(state, dict):
        return {name: state}
    return {place: x for key, value in state.items() for place, x in flat(value, f"{name}.{key}").items()}


if __name__ == "__main__":
    sys.exit(main())
