"""Options that say which images a network takes, where its file does not say it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import click

from nsface.presets import PRESETS

PRESET_HELP = "Preprocessing of networks that come from there; the options beside it change single parts."
_SIZE = re.compile(r"([1-9]\d{0,4})[x×]([1-9]\d{0,4})")
NAMES = ("input_size", "mean", "std", "colour", "template")


class Size(click.ParamType[tuple[int, int]]):
    """HEIGHTxWIDTH, in pixels."""

    name = "size"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if (found := _SIZE.fullmatch(str(value))) is None:
            self.fail(f"{value!r} is no size; write HEIGHTxWIDTH, such as 112x96", param, ctx)
        return int(found[1]), int(found[2])


class Channels(click.ParamType[float | tuple[float, ...]]):
    """A number for all channels, or three with commas between them."""

    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | tuple[float, ...]:
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) not in (1, 3):
            self.fail(f"{value!r} is neither a number nor three with commas between them", param, ctx)
        return numbers if len(numbers) == 3 else numbers[0]


def preprocessing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --preset, --input-size, --mean, --std, --colour and --template.

    The command gets them as two arguments: `preset`, and `given`, fields of `Preprocessing`.
    """

    @click.option("--preset", type=click.Choice(list(PRESETS)), help=PRESET_HELP)
    @click.option(
        "--input-size", type=Size(), metavar="HxW", help="Height and width of the network's images."
    )
    @click.option(
        "--mean", type=Channels(), metavar="X", help="Subtracted from pixels; 3 with commas: one a channel."
    )
    @click.option("--std", type=Channels(), metavar="X", help="Pixels are then divided by this.")
    @click.option("--colour", type=click.Choice(["rgb", "bgr"]), help="Order of the network's channels.")
    @click.option("--template", metavar="NAME", help="The alignment: sphereface, arcface or HxW.")
    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> Any:
        given = {name: value for name in NAMES if (value := kwargs.pop(name)) is not None}
        if size := given.pop("input_size", None):
            given["height"], given["width"] = size
        if colour := given.get("colour"):
            given["colour"] = colour.upper()
        return function(*args, given=given, **kwargs)

    return command
