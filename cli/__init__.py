"""The command line: one file a command, each imported only when it is called.

Standard output carries results, standard error progress and messages. Exit status: 0 done, 2 the input is
wrong (one line says what, where and the remedy), 1 a fault of ours, 130 interrupted.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from nsface import __version__
from nsface.cli import faults, signals, streams
from nsface.errors import NsfaceError, shown

COMMANDS = {
    "train": "Train a network as a recipe describes.",
    "recipes": "List the recipes that come with nsface, or print one.",
    "extract": "Turn face images into embeddings.",
    "fetch": "Download LFW and its lists.",
    "align": "Align faces to a five-point template.",
    "pack": "Pack images of any kind into a store, or into a folder.",
    "inspect": "Say what is in a set of images, and what is wrong with it.",
    "overlap": "Find people of a training set who are in a test set.",
    "fuse": "Fuse embeddings files of several models into one.",
    "eval-lfw": "Score embeddings on LFW verification.",
    "eval-fglfw": "Score embeddings on FGLFW, LFW with look-alikes.",
    "eval-ytf": "Score embeddings of video frames on YouTube Faces.",
    "eval-ident": "Score embeddings on closed- and open-set identification.",
    "eval-blufr": "Score embeddings on BLUFR's ten trials.",
    "eval-bin": "Score a model on InsightFace verification sets.",
    "eval-ijb": "Score embeddings on IJB-B or IJB-C templates.",
    "eval-pairs": "Score embeddings on your own list of pairs.",
    "compare": "Compare two embeddings files on one protocol.",
    "synth": "Render synthetic faces in the layouts of LFW, YTF and training sets.",
    "saturation": "Show how the samples of training runs saturated.",
    "report": "Write an HTML page about runs and their scores.",
    "demo": "Do all of it once: render, train twice, extract, score, compare, report.",
    "doctor": "Show versions and devices, what is usable and what is missing.",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and one line each, and imports one when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module("nsface.cli." + cmd_name.replace("-", "_")).command
        command.short_help = COMMANDS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            beginning = [name for name in COMMANDS if name.startswith(args[0])]
            near = beginning or difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "see `nsface --help`"
            raise click.UsageError(f"no command '{args[0]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with not_by_click():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with not_by_click():
            return super().invoke(ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        fitting = [name for name in COMMANDS if name.startswith(incomplete)]
        return [CompletionItem(name, help=COMMANDS[name]) for name in fitting]  # without importing any


class ReaderGone(Exception):
    """Who reads our standard output (head, jq) has had enough."""


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


@contextmanager
def not_by_click() -> Iterator[None]:
    """Keep from click a broken pipe, which it ends by status 1, and Ctrl-C, of which it makes two lines."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error
    except KeyboardInterrupt as error:
        raise Stopped from error


@dataclass(frozen=True)
class Manners:
    """What may stand anywhere on the line; the object of every command's context."""

    quiet: bool
    verbose: bool
    debug: bool


def manners(function: Callable[..., Any]) -> Callable[..., Any]:
    """Show the options of `Manners` in the help and to the shell; `main` takes them off the line itself."""
    for name, meaning in (
        ("--debug", "Show the traceback of an error."),
        ("--verbose", "Say at the end how long it took and how much memory."),
        ("--quiet", "Neither progress nor notes, only results and errors."),
    ):
        function = click.option(name, is_flag=True, expose_value=False, help=meaning)(function)
    return function


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@manners
@click.version_option(__version__, message="nsface %(version)s")
def group() -> None:
    """Train face-recognition networks with Noisy Softmax, extract embeddings, score them.

    Results go to standard output, progress and messages to standard error. --quiet, --verbose and --debug may
    stand anywhere on the line.

    \b
    Examples:
      nsface demo
      nsface train casia-noisy --data casia/ --out runs/noisy
      nsface COMMAND --help
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    how = Manners("--quiet" in args, "--verbose" in args, "--debug" in args)
    args = [argument for argument in args if argument not in ("--quiet", "--verbose", "--debug")]
    if arguments is None:
        streams.open_standard_files()
    start = time.monotonic()
    with streams.usable(), signals.interruptible(whole_process=arguments is None):
        status = run(args, how)
        if how.verbose:
            print(f"nsface: {spent(time.monotonic() - start)}", file=sys.stderr)
    if arguments is None and status == signals.STATUS:
        signals.hasten()
    sys.exit(status)


def run(args: list[str], how: Manners) -> int:
    """Run one command, say in one line what it ends by, and return its status."""
    try:
        if any("\0" in argument for argument in args):
            raise NsfaceError("an argument has a NUL character in it")
        with silenced(how.quiet):
            result: Any = group.main(args, prog_name="nsface", standalone_mode=False, obj=how)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:  # `nsface` alone
        print(error.format_message(), file=sys.stderr)
        return 2
    except click.ClickException as error:
        where = getattr(error, "ctx", None)
        return fail(where.command_path if where else "nsface", error.format_message(), 2, how.debug)
    except NsfaceError as error:
        return fail("nsface", str(error), 2, how.debug)
    except (Stopped, KeyboardInterrupt, click.Abort) as error:
        signals.saying()
        return fail("nsface", str(error) or "interrupted", signals.STATUS, False)
    except (ReaderGone, BrokenPipeError):
        return 0
    except Exception as error:
        if problem := faults.users_fault(error, args):
            return fail("nsface", problem, 2, how.debug)
        what = f"{type(error).__name__}: {error} (--debug shows where)"
        return fail("nsface", f"internal error, please report it: {what}", 1, how.debug)


@contextmanager
def silenced(quiet: bool) -> Iterator[None]:
    """With `quiet`, nothing that is written to standard error meanwhile is seen."""
    if not quiet:
        yield
        return
    shown = sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stderr = nowhere
        try:
            yield
        finally:
            sys.stderr = shown


def spent(seconds: float) -> str:
    """Time, and the most memory that this process or any that it waited for has had."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    minutes = f"{seconds // 60:.0f} min {seconds % 60:.0f} s" if seconds >= 60 else f"{seconds:.1f} s"
    return f"{minutes}, at most {most * unit / 2**30:.2f} GiB of memory in one process"


def fail(program: str, message: str, status: int, debug: bool) -> int:
    """Print one line (the traceback before it with `debug`) to standard error; return `status`."""
    if debug:
        import traceback

        traceback.print_exc()
    print(shown(f"{program}: {' '.join(message.split())}"), file=sys.stderr)
    return status
