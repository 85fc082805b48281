"""Kill and stop ranks of trainings on a CPU, go on with other numbers of ranks, and compare the loss curves.

    python benchmarks/ranks_killed.py [CASE]... [--out DIR]

The cases are rounding, killed, stopped, restarted, resumed and elastic; by default all.

Every run is one of some seconds at 16×16 images, started by torchrun. Each end must come in time with one
line that says which rank it was. A run that goes on with as many ranks must have the bits of one that was not
interrupted; with another number of ranks its losses must be those of one process up to rounding. How much
rounding alone changes a loss, `rounding` measures: on 2 to 4 ranks without any interruption, and in one
process one of whose weights begins with another last bit.

It prints a line for each case, with the time until all ranks had ended and the largest difference of a loss
from that of one process (as a share of it), and exits with 1 if a case fails.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
import torch
from torchruns import (
    EPOCHS,
    SILENCE,
    TORCHRUN,
    Place,
    end_group,
    free_port,
    is_open,
    ranks_of,
    run_to_end,
    signalled,
    started,
    wait_until,
)

import nsface.training.run as training
from nsface.recipe.schema import load_recipe
from nsface.training.trainer import Trainer

LONG = 300  # epochs of a run that goes on while torchrun is started for ranks that join


def check_message(messages: str, rank: int, count: int, what: str) -> None:
    """Raise an AssertionError unless nsface has said one thing: that this rank has ended, and how."""
    line = f"nsface: rank {rank} of {count} {what}; go on with the same command and --resume"
    said = [one for one in messages.splitlines() if "nsface: " in one and "images of" not in one]
    assert said == [line], f"{said}\n{messages[-3000:]}"


KILLED = "has ended, killed or out of memory"
STOPPED = f"has given no sign of life for {SILENCE:g} s"


def rounding(place: Place) -> Iterator[str]:
    """What rounding does to a run that nobody interrupts."""
    for count in (2, 3, 4):
        yield f"{count} ranks: {place.check_rounding(place.whole(count)):.1e}"
    made = training.make_trainer

    def with_another_bit(*arguments: Any) -> Trainer:
        trainer = made(*arguments)
        with torch.no_grad():
            weights = next(trainer.network.parameters())
            weight = weights[(0,) * weights.ndim]
            weight.copy_(torch.nextafter(weight, torch.tensor(1.0)))
        return trainer

    training.make_trainer = with_another_bit  # type: ignore[assignment]
    try:
        training.train(
            load_recipe(place.path / "recipe.yaml", {"epochs": EPOCHS}), place.path / "another-bit"
        )
    finally:
        training.make_trainer = made
    yield f"one process, the last bit of one weight changed: {place.difference('another-bit'):.1e}"


def killed(place: Place) -> Iterator[str]:
    """A rank is killed; all end; the run goes on with --resume, on as many ranks."""
    yield from _signalled(place, "killed", signal.SIGKILL, KILLED, 15)


def stopped(place: Place) -> Iterator[str]:
    """A rank is stopped, as if it hung."""
    yield from _signalled(place, "stopped", signal.SIGSTOP, STOPPED, SILENCE + 15)


def _signalled(place: Place, what: str, number: int, message: str, limit: float) -> Iterator[str]:
    draw = random.Random(number)
    for count in (2, 4):
        for rank in (0, count - 1):
            run = f"{what}-{count}-{rank}"
            seconds = signalled(place, run, count, rank, number, draw.randrange(8, 40))
            check_message((place.path / f"{run}.txt").read_text(), rank, count, message)
            assert seconds < limit, f"{run}: {seconds:.1f} s"
            run_to_end(place, run, count, "--resume")
            worst = place.check_bits(run, count)
            yield f"{count} ranks, rank {rank}: ended in {seconds:.1f} s, then the same bits, {worst:.1e}"


def restarted(place: Place) -> Iterator[str]:
    """torchrun restarts the ranks by itself after each of two kills."""
    run, count = "restarted", 3
    options = ["--standalone", "--nproc-per-node", str(count), "--max-restarts", "2"]
    with started([*TORCHRUN, *options, *place.command(run)], place.path / f"{run}.txt") as process:
        for step, rank in ((20, 1), (60, 0)):
            place.wait_for_step(run, step)
            os.kill(ranks_of(process.pid)[rank], signal.SIGKILL)
        assert process.wait(300) == 0, (place.path / f"{run}.txt").read_text()[-3000:]
    worst = place.check_bits(run, count)
    yield f"{count} ranks, two killed, restarted by torchrun, then the same bits: {worst:.1e}"


def resumed(place: Place) -> Iterator[str]:
    """4 ranks, then 2, then 3, each until one is killed."""
    run = "resumed"
    signalled(place, run, 4, 2, signal.SIGKILL, 20)
    signalled(place, run, 2, 1, signal.SIGKILL, 60, "--resume")
    run_to_end(place, run, 3, "--resume")
    yield f"4 ranks, 2, then 3, by --resume: {place.check_rounding(run):.1e}"


def elastic(place: Place) -> Iterator[str]:
    """Two torchruns with 2 ranks each; one is killed and the other goes on; a third joins with one rank."""
    run, messages, port = "elastic", place.path / "elastic.txt", free_port()
    rendezvous = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"localhost:{port}", "--rdzv-id", "elastic"]
    options = [*rendezvous, "--nnodes", "1:3", "--max-restarts", "9", "--rdzv-conf", "last_call_timeout=3"]

    def agent(count: int) -> list[str]:
        command = place.command(run, "--resume", epochs=LONG)
        return [*TORCHRUN, *options, "--nproc-per-node", str(count), *command]

    def agent_started(count: int) -> AbstractContextManager[subprocess.Popen[bytes]]:
        # otherwise who joins later waits for an address that is given only once (PyTorch 2.14)
        return started(agent(count), messages, TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1")

    with agent_started(2) as first:
        # the first torchrun that comes keeps the rendezvous, which must not end with the second
        wait_until(lambda: is_open(port), f"nobody listens at port {port}")
        with agent_started(2) as second:
            place.wait_for_ranks(run, 4)
            end_group(second)
            place.wait_for_ranks(run, 2)
        with agent_started(1) as third:
            place.wait_for_ranks(run, 3)
            for process in (first, third):
                assert process.wait(300) == 0, messages.read_text()[-3000:]
    yield f"4, 2 and 3 ranks by elastic restart: {place.check_rounding(run, LONG):.1e}"


CASES: dict[str, Callable[[Place], Iterator[str]]] = {
    case.__name__: case for case in (rounding, killed, stopped, restarted, resumed, elastic)
}


@click.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--out", type=click.Path(path_type=Path), help="Keep the runs and messages in this folder.")
def main(cases: tuple[str, ...], out: Path | None) -> None:
    """Run the CASES, by default all."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(out or Path(folder))
        place.make()
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
