"""`nsface compare`: two systems on one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from nsface.cli.evaluate import PATH, build_protocol, draw
from nsface.cli.inputs import load_embeddings, name_prefix_option
from nsface.cli.output import emit_result, json_option, plots_option, writable
from nsface.protocols import PROTOCOLS, load_protocol
from nsface.results import Verification

LISTS = {
    "pairs": "The list of the protocol (ytf: splits.txt, bin: the .bin).",
    "faces": "For ijb: *_face_tid_mid.txt.",
    "people": "For ident: LFW's people.txt.",
    "subjects": "For ident: the 596 subjects.",
}


def list_options(function: Any) -> Any:
    """Give the command an option for each kind of list."""
    for name, meaning in reversed(LISTS.items()):
        function = click.option(f"--{name}", type=PATH, help=meaning)(function)
    return function


@click.command()
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@click.option(
    "--protocol",
    "name",
    type=click.Choice([name for name, entry in PROTOCOLS.items() if entry.compared]),
    default="lfw",
    show_default=True,
    help="Protocol on which both are scored.",
)
@list_options
@click.option(
    "--montage",
    type=PATH,
    metavar="FILE",
    callback=writable,
    help="Draw the worst errors of both as PNG; needs --images.",
)
@click.option("--images", type=PATH, help="The images, for --montage: folder, list or tar.")
@name_prefix_option
@plots_option
@json_option
def command(
    first: Path,
    second: Path,
    name: str,
    montage: Path | None,
    images: Path | None,
    plots: Path | None,
    json_to: str | None,
    **lists: Path | None,
) -> None:
    """Compare the embeddings FIRST and SECOND: difference, interval, paired test, disagreements.

    Verification: an interval and a test that take shared people into account (identity-aware), the paired
    t test over folds, and McNemar's test. Identification: the paired bootstrap of DIR at FAR, and an
    identity-aware test of Rank-1. IJB: an identity-aware interval and test of TAR at FAR, and McNemar's test.
    Embeddings of a .bin set come from
    `nsface extract MODEL lfw.bin -o lfw.npz`.

    \b
    Examples:
      nsface compare noisy.npz softmax.npz --pairs pairs.txt
      nsface compare noisy.npz softmax.npz --pairs pairs.txt --montage worst.png --images lfw/
      nsface compare a.npz b.npz --protocol ident --people people.txt --subjects lfw_ytf_596.txt
    """
    if (montage is None) != (images is None):
        raise click.UsageError("--montage and --images go together")
    cls = load_protocol(name)
    check_lists(name, list(cls.comparable), lists)
    protocol = build_protocol(cls, {field: lists[option] for option, field in cls.comparable.items()})
    read = protocol.read()
    names = (first.stem, second.stem) if first.stem != second.stem else (str(first), str(second))
    measured = [protocol.measure(load_embeddings(path), read) for path in (first, second)]
    comparison = protocol.compare(*measured).named(*names)
    if plots or montage:
        systems = {name: (one, one.result()) for name, one in zip(names, measured, strict=True)}
        if plots:
            draw(plots, systems)
        if montage and images:
            from nsface.report.montage import draw_worst_errors

            results = {name: result for name, (_, result) in systems.items()}
            if not all(isinstance(result, Verification) for result in results.values()):
                raise click.UsageError(f"{name} has no pairs of images: there is no --montage of them")
            draw_worst_errors(montage, str(images), results)
    emit_result(comparison, json_to)


def check_lists(name: str, needed: Sequence[str], given: dict[str, Path | None]) -> None:
    """Refuse lists that the protocol does not take, and its absence of those that it needs."""
    if any(given[option] is None for option in needed):
        wanted = " and ".join(f"--{option}" for option in needed)
        raise click.UsageError(f"--protocol {name} needs {wanted}")
    extra = [f"--{option}" for option, path in given.items() if path is not None and option not in needed]
    if extra:
        raise click.UsageError(f"--protocol {name} takes no {' and '.join(extra)}")
