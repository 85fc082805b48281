"""The command line: one file a command, each imported only when it is called.

Standard output carries results, standard error progress and messages. Exit status: 0 done, 2 the input is
wrong (one line says what, where and the remedy), 1 a fault of ours, 130 interrupted.
"""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from typing import Any, NoReturn

import click

from nsface import __version__
from nsface.errors import NsfaceError

COMMANDS = {
    "train": "Train a network as a recipe describes.",
    "extract": "Turn face images into embeddings.",
    "eval-lfw": "Score embeddings on LFW verification.",
    "eval-fglfw": "Score embeddings on FGLFW, LFW with look-alikes.",
    "eval-ytf": "Score embeddings of video frames on YouTube Faces.",
    "eval-ident": "Score embeddings on closed- and open-set identification.",
    "eval-bin": "Score a model on InsightFace verification sets.",
    "eval-ijb": "Score embeddings on IJB-B or IJB-C templates.",
    "eval-pairs": "Score embeddings on your own list of pairs.",
    "compare": "Compare two embeddings files on one protocol.",
    "synth": "Render synthetic faces in the layouts of LFW, YTF and training sets.",
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
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "see `nsface --help`"
            raise click.UsageError(f"no command '{args[0]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="nsface %(version)s")
def group() -> None:
    """Train face-recognition networks with Noisy Softmax, extract embeddings, score them.

    Results go to standard output, progress and messages to standard error. With --debug anywhere on the
    line, an error shows its traceback.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in args
    args = [argument for argument in args if argument != "--debug"]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what is half-written is cleaned up
    try:
        result: Any = group.main(args, prog_name="nsface", standalone_mode=False)
        status = result if isinstance(result, int) else 0
    except click.ClickException as error:
        where = getattr(error, "ctx", None)
        status = fail(where.command_path if where else "nsface", error.format_message(), 2, debug)
    except NsfaceError as error:
        status = fail("nsface", str(error), 2, debug)
    except (KeyboardInterrupt, click.Abort):
        status = fail("nsface", "interrupted", 130, False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0  # the reader (head, jq) has had enough
    except Exception as error:
        message = f"internal error, please report it: {type(error).__name__}: {error} (--debug shows where)"
        status = fail("nsface", message, 1, debug)
    sys.exit(status)


def fail(program: str, message: str, status: int, debug: bool) -> int:
    """Print one line (the traceback before it with `debug`) to standard error; return `status`."""
    if debug:
        import traceback

        traceback.print_exc()
    print(f"{program}: {' '.join(message.split())}", file=sys.stderr)
    return status
