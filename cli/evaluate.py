"""The `eval-*` commands, made from the protocols: a protocol's fields are its options."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import reduce
from operator import or_
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click

from nsface.cli.inputs import Inputs, embeddings_options, load_embeddings
from nsface.cli.numbers import Finite
from nsface.cli.output import emit_result, json_option, note_all, plots_option
from nsface.cli.ranks import sharing_searches
from nsface.embeddings.file import Embeddings
from nsface.names import repeated
from nsface.protocols import load_protocol
from nsface.protocols.protocol import AnyPath, Measurement, OptionsError, Protocol, Start
from nsface.results import Result
from nsface.results.curves import Curves

PATH = click.Path(path_type=Path)
AnyProtocol = Protocol[Any, Any]
Function = Callable[..., Any]


def evaluation(name: str) -> click.Command:
    """The command `eval-NAME` of the protocol called `name`."""
    cls = load_protocol(name)

    @embeddings_options
    @protocol_options(cls)
    @plots_option
    @json_option
    def run(inputs: Inputs, plots: Path | None, json_to: str | None, **given: Any) -> None:
        with sharing_searches() as ranks:
            protocol = build_protocol(cls, given)
            with options_checked():
                lists = protocol.read()
            note_all(protocol.notes(lists))
            embeddings = inputs.load(protocol.template_of(lists), ranks)
            with progress_bars() as start:
                measured = protocol.measure(embeddings, lists, start)
            if ranks is not None and not ranks.first:
                return
            note_all(measured.notes)
            result = measured.result()
            if plots:
                draw(plots, {Path(embeddings.source).stem: (measured, result)})
            emit_result(result, json_to)

    meaning = str(inspect.getdoc(cls)).replace("\n\nExample", "\n\n\b\nExample")  # \b: lines stay lines
    command = click.command(name=f"eval-{name}", help=meaning)(run)
    if taken := repeated([option for parameter in command.params for option in parameter.opts]):
        raise ValueError(
            f"the protocol {name} has an option {taken}, which every eval-* has; give its field another name"
        )
    return command


def protocol_options(cls: type[AnyProtocol], without: Sequence[str] = ()) -> Callable[[Function], Function]:
    """Give a command the options of a protocol, its own before those of all protocols of its kind."""
    hints = get_type_hints(cls)
    everything = dataclasses.fields(cls)  # type: ignore[arg-type]
    fields = [field for field in everything if field.name not in without]
    own = [field for field in fields if field.name in cls.__annotations__]
    ordered = [*own, *(field for field in fields if field not in own)]

    def give(function: Function) -> Function:
        for field in reversed(ordered):
            function = _option(field, hints[field.name])(function)
        return function

    return give


def option_of(cls: type[AnyProtocol], name: str, option: str, whose: str) -> Callable[[Function], Function]:
    """Give a command the field `name` of a protocol as `--OPTION`, None where it is left out.

    Args:
        whose: what its help begins with.
    """
    (field,) = (one for one in dataclasses.fields(cls) if one.name == name)  # type: ignore[arg-type]
    kind = _type_of(_without_none(get_type_hints(cls)[name]), field.metadata["bounds"])
    return click.option(f"--{option}", option, type=kind, default=None, help=whose + field.metadata["help"])


def _option(field: dataclasses.Field[Any], hint: Any) -> Callable[[Function], Function]:
    name = f"--{field.name.replace('_', '-')}"
    settings: dict[str, Any] = {
        "help": as_typed(field.metadata["help"]),
        "metavar": field.metadata["metavar"],
    }
    kind = _without_none(hint)
    if kind is bool:
        return click.option(name, field.name, is_flag=True, **settings)
    if get_origin(kind) is tuple:
        settings["multiple"], kind = True, get_args(kind)[0]
    if field.default is dataclasses.MISSING:
        settings["required"] = True
    elif field.default is not None and field.default != ():
        settings |= {"default": field.default, "show_default": True}
    return click.option(name, field.name, type=_type_of(kind, field.metadata["bounds"]), **settings)


def _without_none(hint: Any) -> Any:
    """An annotation without `| None`."""
    if get_origin(hint) not in (Union, UnionType):
        return hint
    return reduce(or_, (kind for kind in get_args(hint) if kind is not type(None)))


def _type_of(kind: Any, bounds: tuple[float, float] | None) -> click.ParamType[Any]:
    """The click type of values of one annotation."""
    if kind in (AnyPath, Embeddings):
        return PATH
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if kind is int and bounds:
        return click.IntRange(int(bounds[0]), int(bounds[1]))
    return Finite(*bounds) if kind is float and bounds else click.types.convert_type(kind)


def build_protocol(cls: type[AnyProtocol], given: dict[str, Any]) -> AnyProtocol:
    """The protocol with its options as `given`; paths of embeddings are read."""
    hints = get_type_hints(cls)
    for name, value in given.items():
        if value is not None and Embeddings in get_args(hints[name]):
            given[name] = load_embeddings(value)
    with options_checked():
        return cls(**given)


def as_typed(text: str) -> str:
    """`text` with the options that it names in backticks as one types them: `fit_on` becomes --fit-on."""
    return re.sub(r"`([a-z_]+)`", lambda name: f"--{name[1].replace('_', '-')}", text)


@contextmanager
def options_checked() -> Iterator[None]:
    """Say of options that do not go together what click says of wrong ones."""
    try:
        yield
    except OptionsError as error:
        raise click.UsageError(as_typed(str(error))) from error


@contextmanager
def progress_bars() -> Iterator[Start]:
    """Bars for work of a number of steps, closed at the end."""
    with ExitStack() as bars:

        def start(total: int, unit: str) -> Callable[[int], object]:
            from tqdm import tqdm  # here, because most protocols show no bar

            bar = bars.enter_context(tqdm(total=total, unit=f" {unit}", disable=None))
            return bar.update

        yield start


def draw(folder: Path, systems: dict[str, tuple[Measurement, Result]]) -> None:
    """Draw the figures of what was measured of each system into `folder`."""
    from nsface.report.figures import POINTS, draw_figures

    curves: dict[str, Curves] = {}
    for name, (measured, _) in systems.items():
        curves |= measured.curves(name, POINTS)
    draw_figures(folder, {name: result for name, (_, result) in systems.items()}, curves)
