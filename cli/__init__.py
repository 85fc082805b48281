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
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr
from dataclasses import dataclass
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem, shell_complete

from nsface import __version__
from nsface.cli import faults, signals, streams
from nsface.errors import NsfaceError, shown
from nsface.protocols import PROTOCOLS

COMPLETION = "_NSFACE_COMPLETE"  # the variable by which a shell asks for completions
COMMANDS = {
    "train": "Train a network as a recipe describes.",
    "recipes": "List the recipes that come with nsface, or print one.",
    "import": "Make a model file from weights that others trained.",
    "extract": "Turn face images into embeddings.",
    "export": "Write a network as an ONNX file, checked against PyTorch.",
    "fetch": "Download LFW and its lists.",
    "align": "Align faces to a five-point template.",
    "pack": "Pack images of any kind into a store, or into a folder.",
    "inspect": "Describe a set of images and name what is wrong with it.",
    "overlap": "Find people of a training set who are in a test set.",
    "fuse": "Fuse embeddings files of several models into one.",
    **{f"eval-{name}": entry.summary for name, entry in PROTOCOLS.items()},
    "eval-all": "Score a model or embeddings by every protocol whose lists are there.",
    "calibrate": "Find a threshold for a wanted FMR or FPIR, with its upper confidence bound.",
    "verify": "Say whether two images show one person, or of many pairs.",
    "identify": "Say who in a gallery is most alike the faces in images.",
    "compare": "Compare two embeddings files on one protocol.",
    "synth": "Render synthetic faces in the layouts of LFW, YTF and training sets.",
    "saturation": "Show how far the samples saturated in training runs.",
    "runs": "List training runs: what differs, scores, means over seeds, and tests.",
    "report": "Write an HTML page about runs and their scores.",
    "reproduce": "Train a table of the Noisy Softmax paper anew, beside the published one.",
    "bench": "Measure how fast trainings are on this machine, and where their time goes.",
    "demo": "Run the whole job once on rendered faces: train twice, extract, score, report.",
    "doctor": "Show versions and devices, and whether PyTorch computes correctly here.",
}

_MODULES = {"import": "import_model"}  # where the name of a command is no name of a module


class LazyGroup(click.Group):
    """The commands by name, with one line of help each; a command is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = _command(cmd_name)
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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        fitting = [name for name in COMMANDS if name.startswith(incomplete)]
        return [CompletionItem(name, help=COMMANDS[name]) for name in fitting]  # without importing any


def _command(name: str) -> click.Command:
    """The command called `name`; that of a protocol is made from it, but for `eval-bin`."""
    _, prefix, protocol = name.partition("eval-")
    if prefix and protocol not in ("all", "bin"):
        from nsface.cli.evaluate import evaluation

        return evaluation(protocol)
    found: click.Command = importlib.import_module(
        "nsface.cli." + _MODULES.get(name, name.replace("-", "_"))
    ).command
    return found


@dataclass(frozen=True)
class GlobalOptions:
    """The options that every command has, anywhere on the line; commands get them as `ctx.obj`."""

    quiet: bool
    verbose: bool
    debug: bool
    line: tuple[str, ...] = ()  # all that was given


GLOBAL_OPTIONS = {
    "--quiet": "Print only results and errors, no progress and no notes.",
    "--verbose": "Print the time and memory used at the end.",
    "--debug": "Show the traceback of an error.",
}


def global_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Show the global options in the help and to the shell; `main` itself takes them off the line."""
    for name, meaning in reversed(GLOBAL_OPTIONS.items()):
        function = click.option(name, is_flag=True, expose_value=False, help=meaning)(function)
    return function


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@global_options
@click.version_option(__version__, message="nsface %(version)s")
def group() -> None:
    """Train face-recognition networks with Noisy Softmax, extract embeddings and score them.

    Results go to standard output, progress and messages to standard error. --quiet, --verbose and --debug may
    stand anywhere on the line.

    \b
    Examples:
      nsface demo
      nsface train casia-noisy --data casia/ --out runs/noisy
      nsface COMMAND --help
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line, by default that of this process, and exit with its status."""
    own_process = arguments is None
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = GlobalOptions("--quiet" in given, "--verbose" in given, "--debug" in given, tuple(given))
    args = [argument for argument in given if argument not in GLOBAL_OPTIONS]
    if own_process:
        streams.open_standard_files()
    start = time.monotonic()
    with streams.safe_streams(), signals.interruptible(own_process):
        status = run(args, options)
        if options.verbose:
            print(f"nsface: {time_and_memory(time.monotonic() - start)}", file=sys.stderr)
    if own_process:
        signals.raise_no_more()
        if status == signals.STATUS:
            signals.exit_early()
    sys.exit(status)


def run(args: list[str], options: GlobalOptions) -> int:
    """Run one command, report an error in one line, and return the exit status."""
    try:
        return call(args, options)
    except click.exceptions.NoArgsIsHelpError as error:  # `nsface` alone
        print(error.format_message(), file=sys.stderr)
        return 2
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        program = context.command_path if context else "nsface"
        return fail(program, error.format_message(), 2, options.debug)
    except NsfaceError as error:
        return fail("nsface", str(error), 2, options.debug)
    except (KeyboardInterrupt, click.Abort) as error:
        signals.interruption_reported()
        return fail("nsface", str(error) or "interrupted", signals.STATUS, False)
    except BrokenPipeError:  # whoever reads standard output (head, jq) has read enough
        return 0
    except Exception as error:
        if problem := faults.users_fault(error, args):
            return fail("nsface", problem, 2, options.debug)
        what = f"{type(error).__name__}: {error} (--debug shows where)"
        return fail("nsface", f"internal error, please report it: {what}", 1, options.debug)


def call(args: list[str], options: GlobalOptions) -> int:
    """Call one command and return its exit status; all errors are raised.

    `click.Group.main` is not used, as it reports broken pipes and Ctrl-C in its own way.
    """
    if any("\0" in argument for argument in args):
        raise NsfaceError("an argument has a NUL character in it")
    with ExitStack() as stack:
        if options.quiet:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stderr(nowhere))
        if instruction := os.environ.get(COMPLETION):
            return shell_complete(group, {}, "nsface", COMPLETION, instruction)
        try:
            with group.make_context("nsface", args, obj=options) as context:
                result = group.invoke(context)
        except click.exceptions.Exit as ended:  # --help, --version
            return ended.exit_code
    return result if isinstance(result, int) else 0


def time_and_memory(seconds: float) -> str:
    """`seconds` in words, and the peak memory of this process and of those that it has waited for."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    minutes = f"{seconds // 60:.0f} min {seconds % 60:.0f} s" if seconds >= 60 else f"{seconds:.1f} s"
    return f"{minutes}, at most {peak * unit / 2**30:.2f} GiB of memory in one process"


def fail(program: str, message: str, status: int, debug: bool) -> int:
    """Print one line to standard error, with `debug` after the traceback, and return `status`."""
    if debug:
        import traceback

        traceback.print_exc()
    print(shown(f"{program}: {' '.join(message.split())}"), file=sys.stderr)
    return status
