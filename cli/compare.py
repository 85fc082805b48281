"""`nsface compare`: two systems on one protocol."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from nsface.cli.evaluate import PATH, Function, build_protocol, draw, option_of
from nsface.cli.inputs import load_embeddings, name_prefix_option
from nsface.cli.output import emit_result, json_option, note_all, plots_option, writable
from nsface.protocols import PROTOCOLS, load_protocol
from nsface.protocols.protocol import Protocol
from nsface.protocols.verification import VerificationProtocol
from nsface.results.comparison import system_names

PROTOCOLS_COMPARED = {
    name: protocol
    for name, protocol in ((name, load_protocol(name)) for name in PROTOCOLS)
    if protocol.comparable
}
LISTS = {
    "pairs": "The list of the protocol (ytf: splits.txt, bin: the .bin).",
    "faces": "For ijb: *_face_tid_mid.txt.",
    "people": "For ident: LFW's people.txt.",
    "subjects": "For ident: the 596 subjects.",
}


def list_options(function: Any) -> Any:
    """Give the command an option for each kind of list, and for what else a protocol is compared on."""
    options: dict[str, Function] = {
        name: click.option(f"--{name}", type=PATH, help=meaning) for name, meaning in LISTS.items()
    }
    for protocol, cls in PROTOCOLS_COMPARED.items():
        for name, field in cls.comparable.items():
            if name not in options:
                options[name] = option_of(cls, field, name, f"For {protocol}: ")
    for give in reversed(options.values()):
        function = give(function)
    return function


@click.command()
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@click.option(
    "--protocol",
    "name",
    type=click.Choice(list(PROTOCOLS_COMPARED)),
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
    **lists: Any,
) -> None:
    """Compare the embeddings FIRST and SECOND: difference, interval, paired test, disagreements.

    Verification: an interval and a test that take shared people into account (identity-aware), the paired
    t test over folds, and McNemar's test. Identification: the paired bootstrap of DIR at FAR, and an
    identity-aware test of Rank-1. IJB: an identity-aware interval and test of TAR at FAR, and McNemar's test.
    Embeddings of a .bin set come from `nsface extract MODEL lfw.bin -o lfw.npz`.

    \b
    Examples:
      nsface compare noisy.npz softmax.npz --pairs pairs.txt
      nsface compare noisy.npz softmax.npz --pairs pairs.txt --montage worst.png --images lfw/
      nsface compare a.npz b.npz --protocol ident --people people.txt --subjects lfw_ytf_596.txt
    """
    if (montage is None) != (images is None):
        raise click.UsageError("--montage and --images go together")
    cls = PROTOCOLS_COMPARED[name]
    check_lists(name, cls, lists)
    if montage and not issubclass(cls, VerificationProtocol):
        raise click.UsageError(f"{name} has no pairs of images: there is no --montage of them")
    given = {field: lists[option] for option, field in cls.comparable.items() if lists[option] is not None}
    protocol = build_protocol(cls, given)
    read = protocol.read()
    names = system_names(str(first), str(second))
    measured = [protocol.measure(load_embeddings(path), read) for path in (first, second)]
    note_all(dict.fromkeys([*protocol.notes(read), *measured[0].notes, *measured[1].notes]))
    comparison = protocol.compare(*measured).named(*names)
    if plots or montage:
        systems = {name: (one, one.result()) for name, one in zip(names, measured, strict=True)}
        if plots:
            draw(plots, systems)
        if montage and images:
            from nsface.report.montage import draw_worst_errors

            draw_worst_errors(montage, str(images), {name: one[1] for name, one in systems.items()})
    emit_result(comparison, json_to)


def check_lists(name: str, cls: type[Protocol[Any, Any]], given: dict[str, Any]) -> None:
    """Refuse lists that the protocol does not take, and its absence of those that it needs.

    What has a default other than None may be left out.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    absent = (None, dataclasses.MISSING)
    needed = [option for option, field in cls.comparable.items() if defaults[field] in absent]
    if any(given[option] is None for option in needed):
        wanted = " and ".join(f"--{option}" for option in needed)
        raise click.UsageError(f"--protocol {name} needs {wanted}")
    extra = [
        f"--{option}" for option, path in given.items() if path is not None and option not in cls.comparable
    ]
    if extra:
        raise click.UsageError(f"--protocol {name} takes no {' and '.join(extra)}")
