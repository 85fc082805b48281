"""Trainings under torchrun that benchmarks kill, stop and compare, and the folder where they are."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import cv2
import numpy as np
import yaml

IDENTITIES, IMAGES = 8, 18
EPOCHS = 20  # of six steps each
RATE = 0.002
SILENCE = 8.0  # seconds without a sign of life, half of those that a step may take
ROUNDING = 1e-3  # the largest share of a loss that is taken for rounding
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
SETTINGS = {
    "input": {"height": 16, "width": 16},
    "network": {"name": "light-resnet", "embedding_size": 16, "channels": 4},
    "head": {"name": "softmax"},
    "augmentation": {"mirror": False},  # each rank would draw its own
    "optimizer": {"learning_rate": RATE},
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

    def command(self, run: str, *options: str, epochs: int = EPOCHS) -> list[str]:
        """A training of so many epochs, which learns as much as one of `EPOCHS`."""
        recipe, out = str(self.path / "recipe.yaml"), str(self.path / run)
        rate = ["--set", f"optimizer.learning_rate={RATE * EPOCHS / epochs:g}"]
        return ["-m", "nsface", "train", recipe, "--out", out, "--epochs", str(epochs), *rate, *options]

    def one(self, epochs: int = EPOCHS) -> str:
        """The name of the run by one process, which is made the first time."""
        run = f"one-{epochs}"
        if not (self.path / run / "model.safetensors").exists():
            command = [sys.executable, *self.command(run, epochs=epochs)]
            with started(command, self.path / f"{run}.txt") as process:
                assert process.wait(300) == 0, (self.path / f"{run}.txt").read_text()[-3000:]
        return run

    def whole(self, count: int) -> str:
        """The name of the run on `count` ranks that is not interrupted, which is made the first time."""
        run = f"whole-{count}"
        if not (self.path / run / "model.safetensors").exists():
            run_to_end(self, run, count)
        return run

    def losses(self, run: str) -> dict[int, float]:
        """The loss of each step that the log has, every line of which is whole."""
        log = self.path / run / "log.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        return {line["step"]: line["loss"] for line in map(json.loads, lines)}

    def wait_for_step(self, run: str, step: int) -> None:
        """Return when the log has come to `step`."""
        wait_until(lambda: self._newest_step(run) >= step, f"{run}: no step {step}")

    def wait_for_ranks(self, run: str, count: int) -> None:
        """Return when `count` ranks have taken ten steps."""
        wait_until(lambda: self._ranks(run) == count, f"{run}: not {count} ranks")
        self.wait_for_step(run, self._newest_step(run) + 10)

    def _newest_step(self, run: str) -> int:
        log = self.path / run / "log.jsonl"
        text = log.read_text() if log.exists() else ""
        return max((int(step) for step in re.findall(r'"step": (\d+)', text)), default=0)

    def _ranks(self, run: str) -> int:
        """How many ranks went on last."""
        environment = self.path / run / "environment.json"
        return int(json.loads(environment.read_text())["ranks"]) if environment.exists() else 0

    def difference(self, run: str, epochs: int = EPOCHS) -> float:
        """The largest difference of a loss from that of one process, as a share of it."""
        expected, found = self.losses(self.one(epochs)), self.losses(run)
        assert list(found) == list(expected), f"{run}: {len(found)} of {len(expected)} steps"
        return max(abs(found[step] - loss) / loss for step, loss in expected.items())

    def check_rounding(self, run: str, epochs: int = EPOCHS) -> float:
        """`difference`, which must be due to rounding."""
        worst = self.difference(run, epochs)
        assert worst < ROUNDING, f"{run}: a loss differs by {worst:.2%}"
        return worst

    def check_bits(self, run: str, count: int) -> float:
        """`difference`, of a run that must be that of `count` ranks which was not interrupted."""
        whole = self.whole(count)
        assert self.losses(run) == self.losses(whole), f"{run}: other losses than those of {whole}"
        models = [(self.path / one / "model.safetensors").read_bytes() for one in (run, whole)]
        assert models[0] == models[1], f"{run}: another model than that of {whole}"
        return self.check_rounding(run)


def wait_until(reached: Callable[[], bool], fault: str, seconds: float = 300) -> None:
    """Return when `reached` is true; an AssertionError with the `fault` if it is not in so many seconds."""
    until = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < until, f"{fault} in {seconds:g} s"
        time.sleep(0.02)


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


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def is_open(port: int) -> bool:
    """Whether somebody listens at `port` of this machine."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
