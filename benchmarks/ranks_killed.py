"""Kill and stop ranks of trainings on a CPU, go on with other numbers of ranks, and compare the loss curves.

    python benchmarks/ranks_killed.py [killed] [stopped] [restarted] [resumed] [elastic] [--out DIR]

Every run is one of a few seconds at 16×16 images, started by torchrun. Its losses must be those of one
process up to rounding, and each end must come in time with one line that says which rank it was. It prints a
line for each case, with the time until all ranks had ended and the largest difference of a loss (as a share
of it), and exits with 1 if a case fails.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click
import cv2
import numpy as np
import yaml

from nsface.errors import joined

IDENTITIES, IMAGES, EPOCHS = 8, 18, 20  # six steps an epoch
SILENCE = 8.0  # seconds without a sign of life, half of those that a step may take
STEPS = IDENTITIES * IMAGES // 24 * EPOCHS
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
SETTINGS = {
    "input": {"height": 16, "width": 16},
    "network": {"name": "light-resnet", "embedding_size": 16, "channels": 4},
    "head": {"name": "softmax"},
    "augmentation": {"mirror": False},  # each rank would draw its own
    "optimizer": {"learning_rate": 0.002},
    "schedule": {"kind": "cosine"},
    "batch_size": 24,
    "epochs": EPOCHS,
    "log_every": 1,
    "device": "cpu",
    "precision": "fp32",
}


@dataclass(frozen=True)
class Place:
    """A folder with the recipe, the images and the runs."""

    path: Path

    def make(self) -> None:
        """Write images that differ from identity to identity, and the recipe."""
        draw = np.random.default_rng(0)
        for identity in range(IDENTITIES):
            folder = self.path / "faces" / str(identity)
            folder.mkdir(parents=True)
            face = draw.integers(0, 256, (16, 16, 3))
            for image in range(IMAGES):
                pixels = np.clip(face + draw.integers(-99, 99, face.shape), 0, 255).astype(np.uint8)
                cv2.imwrite(str(folder / f"{image}.png"), pixels)
        settings = SETTINGS | {"data": str(self.path / "faces")}
        (self.path / "recipe.yaml").write_text(yaml.safe_dump(settings))

    def command(self, run: str, *options: str) -> list[str]:
        return [
            "-m",
            "nsface",
            "train",
            str(self.path / "recipe.yaml"),
            "--out",
            str(self.path / run),
            *options,
        ]

    def losses(self, run: str) -> dict[int, float]:
        """The loss of each step that the log has, every line of which is whole."""
        log = self.path / run / "log.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        return {line["step"]: line["loss"] for line in map(json.loads, lines)}

    def wait_for_step(self, run: str, step: int) -> None:
        until = time.monotonic() + 300
        while max(self._steps(run), default=0) < step:
            if time.monotonic() > until:
                raise AssertionError(f"{run}: no step {step} in 300 s")
            time.sleep(0.02)

    def _steps(self, run: str) -> list[int]:
        log = self.path / run / "log.jsonl"
        text = log.read_text() if log.exists() else ""
        return [int(step) for step in re.findall(r'"step": (\d+)', text)]

    def check_curve(self, run: str) -> float:
        """The largest difference of a loss from that of one process, as a share of it."""
        expected, found = self.losses("one"), self.losses(run)
        assert list(found) == list(range(1, STEPS + 1)), f"{run}: {len(found)} of {STEPS} steps"
        worst = max(abs(found[step] - loss) / loss for step, loss in expected.items())
        assert worst < 1e-3, f"{run}: a loss differs by {worst:.2%}"
        return worst


@contextmanager
def started(command: list[str], messages: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes to the file `messages`, in a group of its own, which ends with this context."""
    with messages.open("ab") as file:
        process = launch(command, file, **variables)
        try:
            yield process
        finally:
            end_group(process)


def launch(command: list[str], messages: IO[bytes], **variables: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NSFACE_RANK_TIMEOUT": f"{2 * SILENCE:g}"} | variables
    return subprocess.Popen(
        command, stdout=messages, stderr=messages, env=environment, start_new_session=True
    )


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill torchrun and its ranks."""
    for child in ranks_of(process.pid).values():
        os.kill(child, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
    process.wait()


def ranks_of(parent: int) -> dict[int, int]:
    """The numbers of the processes that torchrun, the process `parent`, has started, by rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == parent and status[0] != "Z":
                variables = (folder / "environ").read_bytes().split(b"\0")
                rank = [int(line[5:]) for line in variables if line.startswith(b"RANK=")]
                found.update(dict.fromkeys(rank, int(folder.name)))
        except (OSError, IndexError):  # it has ended meanwhile
            continue
    return found


def run_to_end(place: Place, run: str, count: int, *options: str, **variables: str) -> None:
    """Train to the end on `count` ranks."""
    command = [*TORCHRUN, "--standalone", "--nproc-per-node", str(count), *place.command(run, *options)]
    with started(command, place.path / f"{run}.txt", **variables) as process:
        assert process.wait(300) == 0, (place.path / f"{run}.txt").read_text()[-3000:]


def signalled(place: Place, run: str, count: int, rank: int, number: int, step: int, *options: str) -> float:
    """Train on `count` ranks up to `step`, send a signal to `rank`; the seconds until all have ended."""
    command = [*TORCHRUN, "--standalone", "--nproc-per-node", str(count), *place.command(run, *options)]
    messages = place.path / f"{run}.txt"
    with started(command, messages) as process:
        place.wait_for_step(run, step)
        os.kill(ranks_of(process.pid)[rank], number)
        begun = time.monotonic()
        while len([r for r in ranks_of(process.pid) if r != rank]):
            assert time.monotonic() < begun + SILENCE + 60, messages.read_text()[-3000:]
            time.sleep(0.05)
        seconds = time.monotonic() - begun
        process.wait(120)
    return seconds


def check_message(place: Place, run: str, rank: int, count: int, what: str) -> None:
    text = (place.path / f"{run}.txt").read_text()
    line = f"nsface: rank {rank} of {count} {what}; go on with the same command and --resume\n"
    said = [one for one in text.splitlines() if "nsface: " in one and "images of" not in one]
    assert said == [line.rstrip()], f"{run}: {said}\n{text[-3000:]}"


KILLED = "has ended, killed or out of memory"
STOPPED = f"has given no sign of life for {SILENCE:g} s"


def killed(place: Place) -> Iterator[str]:
    """A rank is killed; all end; the run goes on with --resume, on as many ranks."""
    draw = random.Random(1)
    for count in (2, 4):
        for rank in (0, count - 1):
            run = f"killed-{count}-{rank}"
            seconds = signalled(place, run, count, rank, signal.SIGKILL, draw.randrange(8, 40))
            check_message(place, run, rank, count, KILLED)
            assert seconds < 15, f"{run}: {seconds:.1f} s"
            run_to_end(place, run, count, "--resume")
            worst = place.check_curve(run)
            yield f"{count} ranks, rank {rank} killed: ended in {seconds:.1f} s, {worst:.1e}"


def stopped(place: Place) -> Iterator[str]:
    """A rank is stopped, as if it hung."""
    draw = random.Random(2)
    for count in (2, 4):
        for rank in (0, count - 1):
            run = f"stopped-{count}-{rank}"
            seconds = signalled(place, run, count, rank, signal.SIGSTOP, draw.randrange(8, 40))
            check_message(place, run, rank, count, STOPPED)
            assert seconds < SILENCE + 15, f"{run}: {seconds:.1f} s"
            run_to_end(place, run, count, "--resume")
            worst = place.check_curve(run)
            yield f"{count} ranks, rank {rank} stopped: ended in {seconds:.1f} s, {worst:.1e}"


def restarted(place: Place) -> Iterator[str]:
    """torchrun restarts the ranks by itself after each of two kills."""
    run = "restarted"
    options = ["--standalone", "--nproc-per-node", "3", "--max-restarts", "2"]
    with started([*TORCHRUN, *options, *place.command(run)], place.path / f"{run}.txt") as process:
        for step, rank in ((20, 1), (60, 0)):
            place.wait_for_step(run, step)
            os.kill(ranks_of(process.pid)[rank], signal.SIGKILL)
        assert process.wait(300) == 0, (place.path / f"{run}.txt").read_text()[-3000:]
    yield f"3 ranks, two killed, restarted by torchrun: {place.check_curve(run):.1e}"


def resumed(place: Place) -> Iterator[str]:
    """4 ranks, then 2, then 3, each until one is killed."""
    run = "resumed"
    signalled(place, run, 4, 2, signal.SIGKILL, 20)
    signalled(place, run, 2, 1, signal.SIGKILL, 60, "--resume")
    run_to_end(place, run, 3, "--resume")
    yield f"4 ranks, 2, then 3, by --resume: {place.check_curve(run):.1e}"


def elastic(place: Place) -> Iterator[str]:
    """Two torchruns with 2 ranks each; one is killed and the other goes on; a third joins with one rank."""
    run, messages = "elastic", place.path / "elastic.txt"
    port = 29500 + os.getpid() % 1000
    rendezvous = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"localhost:{port}", "--rdzv-id", "elastic"]
    options = [*rendezvous, "--nnodes", "1:3", "--max-restarts", "9", "--rdzv-conf", "last_call_timeout=3"]

    def agent(count: int) -> list[str]:
        return [*TORCHRUN, *options, "--nproc-per-node", str(count), *place.command(run, "--resume")]

    counts = []
    with started(agent(2), messages) as first, started(agent(2), messages) as second:
        place.wait_for_step(run, 15)
        counts.append(len(ranks_of(first.pid) | ranks_of(second.pid)))
        end_group(second)
        place.wait_for_step(run, 40)
        counts.append(len(ranks_of(first.pid)))
        with started(agent(1), messages) as third:
            while not (joining := ranks_of(third.pid)):
                time.sleep(0.1)
            counts.append(len(ranks_of(first.pid) | joining))
            assert first.wait(300) == 0, messages.read_text()[-3000:]
    yield f"{joined([str(count) for count in counts])} ranks by elastic restart: {place.check_curve(run):.1e}"


CASES: dict[str, Callable[[Place], Iterator[str]]] = {
    case.__name__: case for case in (killed, stopped, restarted, resumed, elastic)
}


@click.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--out", type=click.Path(path_type=Path), help="Keep the runs and messages in this folder.")
def main(cases: tuple[str, ...], out: Path | None) -> None:
    """Run the CASES, by default all."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(out or Path(folder))
        place.make()
        subprocess.run([sys.executable, *place.command("one")], check=True, stdout=subprocess.DEVNULL)
        failed = False
        for name in cases or CASES:
            try:
                for line in CASES[name](place):
                    click.echo(f"{name}: {line}")
            except AssertionError as error:
                failed = True
                click.echo(f"{name}: FAILED: {error}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
