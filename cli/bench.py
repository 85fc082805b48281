"""`nsface bench`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from nsface.cli.completion import complete_head, complete_key, complete_network, complete_recipe
from nsface.cli.numbers import Finite
from nsface.cli.output import command_line, emit, json_option, say, terminal_width
from nsface.errors import counted

if TYPE_CHECKING:
    from nsface.benchmark.grid import Cell
    from nsface.benchmark.speed import Measurement, Setting

RECIPES = ("casia-softmax", "casia-iresnet50")


def several(kind: click.ParamType[Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """A callback that reads values of `kind` with commas between them; () where nothing is given."""

    def read(context: click.Context, option: click.Parameter, text: str | None) -> tuple[Any, ...]:
        parts = [] if text is None else text.split(",")
        return tuple(kind.convert(part.strip(), option, context) for part in parts)

    return read


def size(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, int] | None:
    """Height and width from `112x96`."""
    if text is None:
        return None
    height, cross, width = text.lower().replace("×", "x").partition("x")
    if not (cross and height.isdecimal() and width.isdecimal()):
        raise click.BadParameter(f"{text!r}: write it as HEIGHTxWIDTH, such as 112x96")
    return int(height), int(width)


@click.group(name="bench")
def command() -> None:
    """Measure how fast nsface is on this machine.

    \b
    Example:
      nsface bench train casia-softmax --batch-size 64 --precision fp32,bf16
    """


@command.command(name="train")
@click.argument("recipes", metavar="[RECIPE]...", nargs=-1, shell_complete=complete_recipe)
@click.option(
    "--network",
    "networks",
    metavar="NAMES",
    callback=several(click.STRING),
    shell_complete=complete_network,
    help="Networks in place of that of the recipe.",
)
@click.option(
    "--precision",
    "precisions",
    metavar="NAMES",
    callback=several(click.Choice(["auto", "fp32", "tf32", "bf16"])),
    help="Arithmetic of the network: auto, fp32, tf32, bf16.",
)
@click.option(
    "--compile",
    "compilations",
    metavar="NAMES",
    callback=several(click.Choice(["auto", "on", "off"])),
    help="Whether the network is compiled: auto, on, off.",
)
@click.option(
    "--batch-size",
    "batch_sizes",
    metavar="NUMBERS",
    callback=several(click.IntRange(1, 1 << 20)),
    help="Images per step.",
)
@click.option("--head", metavar="NAME", shell_complete=complete_head, help="Training objective.")
@click.option("--size", metavar="HxW", callback=size, help="Size of the images.")
@click.option(
    "--identities",
    metavar="N",
    type=click.IntRange(2, 1 << 30),
    default=10_572,
    show_default=True,
    help="Identities of the classifier.",
)
@click.option(
    "--images",
    metavar="N",
    type=click.IntRange(1, 1 << 30),
    help="Generated images. [default: 490,623 on CUDA where they fit, 4,096 on a CPU]",
)
@click.option(
    "--seconds",
    metavar="S",
    type=Finite(0, 3600, min_open=True),
    default=20,
    show_default=True,
    help="Time for each measurement, after its warm-up; three steps are measured in any case.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to train.")
@click.option(
    "--set",
    "changes",
    metavar="KEY=VALUE",
    multiple=True,
    shell_complete=complete_key,
    help="Change any key of the recipes.",
)
@json_option
def train(
    recipes: tuple[str, ...],
    identities: int,
    images: int | None,
    seconds: float,
    json_to: str | None,
    **options: Any,
) -> int:
    """Measure the speed of trainings on generated images of CASIA-WebFace's size.

    Network, head, input, augmentation and batch are those of each RECIPE, by default casia-softmax
    (SphereFace-20) and casia-iresnet50. Options replace their values. Where an option has several values,
    with commas between them, every combination is measured, each in a process of its own. If one fails, for
    example because memory is too small, the table says so and the others go on. The exit status is 1 if all
    of them fail.

    \b
    Examples:
      nsface bench train casia-softmax --batch-size 64 --precision fp32,bf16
      nsface bench train --batch-size 256,512,1024 --json speed.json
      nsface bench train lfw-small --network light-resnet,sphereface-20 --identities 1449
    """
    from nsface.benchmark.grid import hardware, measure_all

    settings = list(_settings(recipes or RECIPES, identities, images, seconds, options))
    result: dict[str, Any] = {"command": command_line()} | hardware(options["device"] or "auto")
    cells = measure_all(settings, lambda cell: say(_progress(cell)))
    result["cells"] = [cell.to_json() for cell in cells]
    emit(result, _table(result, cells), json_to)
    return 1 if all(cell.measurement is None for cell in cells) else 0


def _settings(
    recipes: tuple[str, ...], identities: int, images: int | None, seconds: float, options: dict[str, Any]
) -> Iterator[Setting]:
    """Every combination, as a `Setting`; all recipes are checked before the first is measured."""
    from nsface.benchmark.speed import Setting
    from nsface.recipe.schema import load_recipe
    from nsface.recipe.text import parse_setting

    fixed = {"head.name": options["head"], "device": options["device"]}
    if options["size"] is not None:
        fixed["input.height"], fixed["input.width"] = options["size"]
    fixed = {key: value for key, value in fixed.items() if value is not None}
    fixed |= dict(map(parse_setting, options["changes"]))
    lists = {
        "network.name": "networks",
        "precision": "precisions",
        "compile": "compilations",
        "batch_size": "batch_sizes",
    }
    varied = {key: options[name] for key, name in lists.items() if options[name]}
    for recipe in recipes:
        for values in itertools.product(*varied.values()):
            loaded = load_recipe(recipe, fixed | dict(zip(varied, values, strict=True)))
            yield Setting(loaded, identities, images, seconds)


def _title(setting: Setting) -> str:
    """What tells a setting from others."""
    recipe = setting.recipe
    size = f"{recipe.input.height}×{recipe.input.width}"
    compiled = {"auto": "", "on": " compiled", "off": " not compiled"}[recipe.compile]
    return f"{recipe.network.name} {size} {recipe.head.name} {recipe.precision} {recipe.batch_size}{compiled}"


def _progress(cell: Cell) -> str:
    found = cell.measurement
    outcome = cell.error if found is None else f"{found.images_per_second.median:,.1f} images/s"
    return f"{_title(cell.setting)}: {outcome}"


def _table(result: dict[str, Any], cells: list[Cell]) -> str:
    from nsface.benchmark.generated import CASIA_IMAGES
    from nsface.benchmark.speed import EPOCHS
    from nsface.results.text import columns

    measured = [(_title(cell.setting), cell.measurement) for cell in cells if cell.measurement is not None]
    failed = [f"  {_title(cell.setting)}: {cell.error}" for cell in cells if cell.measurement is None]
    device = result["processor"] if result["device_type"] == "cpu" else result["device"]
    threads = counted(result["threads"], "thread")
    lines = [f"nsface {result['nsface']}, PyTorch {result['torch']}, {device}, {threads}"]
    if measured:
        lines += [columns(rows, width=terminal_width()) for rows in (_speeds(measured), _parts(measured))]
        lines.append(f"  minutes: computed, of {EPOCHS} epochs of {CASIA_IMAGES:,} images; not a run")
    return "\n".join(lines + (["not measured", *failed] if failed else []))


def _speeds(measured: list[tuple[str, Measurement]]) -> list[list[str]]:
    """A line for each measurement: its speed, how much of the device it uses, what a training would take."""
    from nsface.results.text import percent

    rows = [["", "images/s", "range", "loader", "of peak", "of products", "bound", "GiB", "minutes"]]
    for title, found in measured:
        rate = found.images_per_second
        used = (found.loader_share, found.utilisation, found.utilisation_of_reached)
        rows.append(
            [
                title,
                f"{rate.median:,.1f}",
                f"{rate.lowest:,.1f} – {rate.highest:,.1f}",
                *(percent(share, 1) for share in used),
                f"{found.bound:,.1f}",
                f"{found.peak_memory / 2**30:.2f}",
                f"{found.computed_minutes:,.0f}",
            ]
        )
    return rows


def _parts(measured: list[tuple[str, Measurement]]) -> list[list[str]]:
    """A line for each measurement: the milliseconds of each part of a step."""
    from nsface.benchmark.speed import PARTS

    titles = [["milliseconds of a step", *PARTS]]
    return titles + [
        [title, *(f"{1000 * found.parts[part]:,.1f}" for part in PARTS)] for title, found in measured
    ]
