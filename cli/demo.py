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

from nsface.cli import GlobalOptions, signals, time_and_memory
from nsface.cli.numbers import SEED, number_option
from nsface.cli.output import say
from nsface.errors import DataError, NsfaceError, shown
from nsface.files import lock, reason

if TYPE_CHECKING:
    from nsface.cli.demo_plan import Stage

PATH = click.Path(path_type=Path)
_EPOCHS, _PEOPLE = click.IntRange(1, 1_000_000), click.IntRange(2, 1_000_000)
PATIENCE = 60.0  # seconds that what a killed demo left running may take to save its work
_STAGE = (  # a command that ends with the process whose number is its first argument
    "import sys; from nsface import __main__, processes; "
    "processes.end_with_parent(int(sys.argv.pop(1))); __main__.main()"
)


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
@number_option(
    "--epochs", kind=click.IntRange(1, 1_000_000), text="Length of each training. [default: the recipe's]"
)
@number_option("--identities", kind=_PEOPLE, default=150, text="People to render.")
@number_option("--seed", kind=SEED, default=0, text="Seed of rendering and of both trainings.")
@click.pass_obj
def command(global_options: GlobalOptions, /, out: Path, recipe: str | None, **options: Any) -> int | None:
    """Train Softmax and Noisy Softmax on equal terms, score both on four protocols, and write a report.

    Without options it renders people who do not exist, and needs no data. Every command is printed before it
    runs, so that it can be repeated alone. After an interruption, give the same command again: steps that are
    finished are not repeated.

    With --faces and --lfw the demo uses real faces, and leaves out protocols whose lists are not given.

    \b
    Examples:
      nsface demo
      nsface demo --out runs/real --faces casia.tar --lfw lfw.tar --pairs pairs.txt \\
          --people people.txt --subjects lfw_ytf_596.txt
    """
    from nsface.cli.demo_plan import Lists, plan, record_plan, rendered_sets
    from nsface.recipe.names import recipe_text

    lists = {name: options[name] for name in ("pairs", "people", "subjects", "look_alikes", "ytf", "splits")}
    real = _check_together(options["faces"], options["lfw"], lists)
    if recipe is None:
        recipe = "lfw-small" if real else "demo"
    recipe_text(recipe)  # an unreadable recipe or list is refused now, before hours of work
    for path in filter(None, lists.values()):
        try:
            os.stat(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    settings = ["--seed", str(options["seed"])]
    if options["epochs"]:
        settings += ["--epochs", str(options["epochs"])]
    if real:
        stages = plan(out, options["faces"], Lists(lfw=options["lfw"], **lists), recipe, settings)
    else:
        faces, sets, rendering = rendered_sets(out / "faces", options["identities"], options["seed"])
        stages = plan(out, faces, sets, recipe, settings, rendering)
    record_plan(out / "demo.json", stages)
    with _locked(out / "demo.json") as lock_file:
        return _run(stages, out, global_options.quiet, lock_file)


def _check_together(faces: str | None, lfw: str | None, lists: dict[str, Any]) -> bool:
    """Refuse an option without the one that it goes with; returns whether real data are given."""
    real = faces is not None
    given = [name for name, value in lists.items() if value is not None]
    if real != (lfw is not None):
        raise click.UsageError("--faces and --lfw go together")
    if not real and given:
        raise click.UsageError(f"--{given[0].replace('_', '-')} is for --faces and --lfw")
    if real and "pairs" not in given:
        raise click.UsageError("--lfw needs --pairs")
    for one, other in (("people", "subjects"), ("ytf", "splits")):
        if (one in given) != (other in given):
            raise click.UsageError(f"--{one} and --{other} go together")
    return real


@contextmanager
def _locked(plan: Path) -> Iterator[int]:
    """Yield the open file `plan`, locked for this process and for those that inherit it.

    Waits for what a killed demo has left running, which ends by itself when it has saved its work.

    Raises:
        NsfaceError: another demo is running there.
    """
    lock_file = os.open(plan, os.O_RDONLY)
    try:
        deadline = time.monotonic() + PATIENCE
        while not lock(lock_file):
            if time.monotonic() > deadline:
                raise NsfaceError(
                    f"another demo is running in {shown(plan.parent)}; wait for it, or choose another --out"
                )
            time.sleep(0.1)
        yield lock_file
    finally:
        os.close(lock_file)


def _run(stages: list[Stage], out: Path, quiet: bool, lock_file: int) -> int | None:
    """Run what is not done yet; returns the status of a stage that fails or is interrupted."""
    from nsface.cli.demo_plan import overview

    start, width = time.monotonic(), len(str(len(stages)))
    program = _program()
    for number, stage in enumerate(stages, 1):
        head = f"[{number:{width}}/{len(stages)}] {stage.title}"
        if stage.output.exists():
            say(f"{head}: done before")
            continue
        say(head)
        say(f"  {shlex.join([*program, *stage.arguments])}")
        status = _call([*stage.arguments, *(["--quiet"] if quiet else [])], lock_file)
        if status:
            what = "interrupted" if status == 130 else "failed"
            again = shlex.join([*program, *sys.argv[1:]])
            say(f"nsface demo: {what} in '{stage.title}'; go on with: {again}")
            return status
    click.echo("\n" + overview(stages))
    click.echo(f"\nreport: {out / 'report.html'}")
    say(time_and_memory(time.monotonic() - start))
    return None


def _call(arguments: list[str], lock_file: int) -> int:
    """Run `nsface ARGUMENTS` to its end; an interruption is handed on to it, and waited for.

    It has a session of its own, so that Ctrl-C reaches it from here alone: a training takes a second one as
    the order to stop without saving. When this process is killed, the other one ends too, as after SIGTERM,
    and holds the lock until then.
    """
    command = [sys.executable, "-c", _STAGE, str(os.getpid()), *arguments]
    with subprocess.Popen(command, start_new_session=True, pass_fds=[lock_file]) as process:
        with signals.handled_by(lambda *_: process.send_signal(signal.SIGINT)):
            status = process.wait()
        return status if status >= 0 else 128 - status


def _program() -> list[str]:
    """The words that start this program in the user's shell."""
    started = sys.argv[0]
    found = shutil.which("nsface")
    if Path(started).name != "nsface":
        return [sys.executable, "-m", "nsface"]
    return ["nsface"] if found and os.path.samefile(found, started) else [started]
