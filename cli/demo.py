"""`nsface demo`: the whole main job, by the commands that anyone would type."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nsface.cli import Manners, signals, spent
from nsface.cli.numbers import SEED
from nsface.cli.results import say
from nsface.errors import DataError, NsfaceError, shown
from nsface.files import lock, reason

if TYPE_CHECKING:
    from nsface.cli.demo_plan import Stage

PATH = click.Path(path_type=Path)
PATIENCE = 60.0  # seconds that what a killed demo left running may take to save its work


@click.command(name="demo")
@click.option(
    "--out",
    metavar="DIR",
    type=PATH,
    default=Path("runs/demo"),
    show_default=True,
    help="Folder for everything.",
)
@click.option("--faces", metavar="PATH", help="Your own training faces instead of rendered ones; with --lfw.")
@click.option("--lfw", metavar="PATH", help="LFW, aligned as --faces are.")
@click.option("--pairs", metavar="FILE", type=PATH, help="With --lfw: LFW's pairs.txt.")
@click.option("--people", metavar="FILE", type=PATH, help="With --subjects: LFW's people.txt.")
@click.option("--subjects", metavar="FILE", type=PATH, help="With --lfw: subjects of LFW identification.")
@click.option("--look-alikes", metavar="FILE", type=PATH, help="With --lfw: pair_FGLFW.txt.")
@click.option("--ytf", metavar="PATH", help="With --splits: aligned frames of YouTube Faces.")
@click.option("--splits", metavar="FILE", type=PATH, help="With --ytf: splits.txt.")
@click.option(
    "--recipe",
    metavar="RECIPE",
    help="Recipe of both trainings: a name or a file. [default: demo, or lfw-small]",
)
@click.option(
    "--epochs",
    metavar="N",
    type=click.IntRange(1, 1_000_000),
    help="Length of each training. [default: the recipe's]",
)
@click.option(
    "--identities",
    metavar="N",
    type=click.IntRange(2, 1_000_000),
    default=150,
    show_default=True,
    help="People to render.",
)
@click.option(
    "--seed",
    metavar="N",
    type=SEED,
    default=0,
    show_default=True,
    help="Seed of rendering and of both trainings.",
)
@click.pass_obj
def command(how: Manners, /, out: Path, recipe: str | None, **options: Any) -> int | None:
    """Train Softmax and Noisy Softmax on equal terms, score both on four protocols, and write a report.

    Without options it renders people who do not exist, and needs no data. Every command is printed before it
    runs, so that it can be repeated alone. After an interruption, give the same command
    again: steps that are finished are not repeated.

    With --faces and --lfw the demo uses real faces, and leaves out protocols whose lists are not given.

    \b
    Examples:
      nsface demo
      nsface demo --out runs/real --faces casia.tar --lfw lfw.tar --pairs pairs.txt \\
          --people people.txt --subjects lfw_ytf_596.txt
    """
    from nsface.cli.demo_plan import Lists, Rendered, plan, remember
    from nsface.recipe.names import recipe_text

    given = {key: options[key] for key in ("pairs", "people", "subjects", "look_alikes", "ytf", "splits")}
    real = _checked(options["faces"], options["lfw"], given)
    chosen = recipe or ("lfw-small" if real else "demo")
    recipe_text(chosen)  # which says what cannot be read, before hours of work, as the loop does
    for path in filter(None, given.values()):
        _check_there(path)
    settings = ["--seed", str(options["seed"])]
    if options["epochs"]:
        settings += ["--epochs", str(options["epochs"])]
    if real:
        stages = plan(out, options["faces"], Lists(lfw=options["lfw"], **given), chosen, settings)
    else:
        rendered = Rendered(out / "faces", options["identities"], options["seed"])
        stages = plan(out, str(rendered.train), rendered.lists, chosen, settings, rendered)
    remember(out / "demo.json", stages)
    with _alone(out / "demo.json") as held:
        return _run(stages, out, how.quiet, held)


def _check_there(path: str | Path) -> None:
    """Refuse an input that is not there.

    Raises:
        DataError: it is not there, or cannot be reached.
    """
    try:
        os.stat(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error


def _checked(faces: str | None, lfw: str | None, lists: dict[str, Any]) -> bool:
    """Whether real data are given; refuses halves of a pair of options."""
    if (faces is None) != (lfw is None):
        raise click.UsageError("--faces and --lfw go together")
    if faces is None and (more := [key for key, value in lists.items() if value is not None]):
        raise click.UsageError(f"--{more[0].replace('_', '-')} is for --faces and --lfw")
    if faces is not None and lists["pairs"] is None:
        raise click.UsageError("--lfw needs --pairs")
    for one, other in (("people", "subjects"), ("ytf", "splits")):
        if (lists[one] is None) != (lists[other] is None):
            raise click.UsageError(f"--{one} and --{other} go together")
    return faces is not None


@contextmanager
def _alone(plan: Path) -> Iterator[int]:
    """Hold the demo whose `plan` this is, for this process and those that it starts; the open file.

    Waits for what a killed demo has left running, which ends by itself when it has saved its work.

    Raises:
        NsfaceError: another demo is running there.
    """
    handle = os.open(plan, os.O_RDONLY)
    try:
        deadline = time.monotonic() + PATIENCE
        while not lock(handle):
            if time.monotonic() > deadline:
                raise NsfaceError(
                    f"another demo is running in {shown(plan.parent)}; wait for it, or choose another --out"
                )
            time.sleep(0.1)
        yield handle
    finally:
        os.close(handle)


def _run(stages: list[Stage], out: Path, quiet: bool, held: int) -> int | None:
    """Run what is not done yet; the status of a stage that fails or is interrupted."""
    from nsface.cli.demo_plan import overview

    start, width = time.monotonic(), len(str(len(stages)))
    program = as_typed()
    for number, stage in enumerate(stages, 1):
        head = f"[{number:{width}}/{len(stages)}] {stage.title}"
        if stage.made.exists():
            say(f"{head}: done before")
            continue
        say(head)
        say(f"  {shlex.join([*program, *stage.arguments])}")
        status = _call([*stage.arguments, *(["--quiet"] if quiet else [])], held)
        if status:
            what = "interrupted" if status == 130 else "failed"
            again = shlex.join([*program, *sys.argv[1:]])
            say(f"nsface demo: {what} in '{stage.title}'; go on with: {again}")
            return status
    click.echo("\n" + overview(stages))
    click.echo(f"\nreport: {out / 'report.html'}")
    say(spent(time.monotonic() - start))
    return None


def _call(arguments: list[str], held: int) -> int:
    """Run `nsface ARGUMENTS` to its end; an interruption is handed on once, and waited for.

    In a session of its own, so that Ctrl-C reaches it from here alone: a training takes a second one as the
    order to stop without saving. When this process is killed, the one it started ends too, by the pipe that
    it watches, and until then has the lock of the file `held` too.
    """
    watched, ours = os.pipe()
    command = [sys.executable, "-m", "nsface.cli.watched", str(watched), *arguments]
    try:
        with subprocess.Popen(command, start_new_session=True, pass_fds=(watched, held)) as process:
            with signals.taken_by(lambda *_: process.send_signal(signal.SIGINT)):
                status = process.wait()
            return status if status >= 0 else 128 - status
    finally:
        os.close(watched)
        os.close(ours)


def as_typed() -> list[str]:
    """The words that start this program in the user's shell."""
    started = sys.argv[0]
    found = shutil.which("nsface")
    if Path(started).name != "nsface":
        return [sys.executable, "-m", "nsface"]
    return ["nsface"] if found and os.path.samefile(found, started) else [started]
