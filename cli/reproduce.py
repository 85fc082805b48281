"""`nsface reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nsface.cli.output import command_line, emit, say, terminal_width
from nsface.cli.reproduce_faces import faces
from nsface.cli.reproduce_options import chosen, table_options

if TYPE_CHECKING:
    from nsface.reproduce.tables import ScaleName


@click.group(name="reproduce")
def command() -> None:
    """Train a table of the Noisy Softmax paper anew, and show it beside the published one.

    All arms of a table have the same budget, seeds, order of images and augmentation. The same command goes
    on where it was stopped.

    \b
    Examples:
      nsface reproduce mnist --data MNIST --out runs/mnist --quick
      nsface reproduce cifar10+ --data cifar10.tar --out runs/cifar10 --seeds 0-4
      nsface reproduce faces --train faces.tar --lfw lfw.tar --lists lists/ --out runs/faces
    """


def _table_command(name: str, title: str) -> click.Command:
    """The command of a table of images in classes."""

    @click.option(
        "--data",
        metavar="PATH",
        required=True,
        help="The folder of the data set as torchvision keeps it, or images in train/CLASS/ and test/CLASS/.",
    )
    @click.option("--quick", "scale", flag_value="quick", help="A narrow network and few steps: minutes.")
    @click.option(
        "--full", "scale", flag_value="full", help="Network and schedule at the size of the paper's: a GPU."
    )
    @table_options
    def run(
        data: str,
        out: Path,
        scale: ScaleName | None,
        seeds: tuple[int, ...] | None,
        arms: tuple[str, ...] | None,
        jobs: int | None,
        settings: tuple[str, ...],
        json_to: str | None,
        **options: str | None,
    ) -> None:
        from nsface.reproduce.content import text
        from nsface.reproduce.running import reproduce
        from nsface.training.loop import Interrupted

        given = chosen({"data": data, **options}, settings)
        try:
            found = reproduce(
                name, out, given, scale=scale or "reduced", seeds=seeds, arms=arms, processes=jobs,
                note=say, command=command_line(),
            )  # fmt: skip
        except Interrupted as interruption:
            raise click.Abort(str(interruption)) from interruption
        emit(found.to_json(), text(found, terminal_width()), json_to)

    run.__doc__ = f"""Errors on {title}.

    Without --quick or --full, a reduced size is trained, which takes hours on a CPU. The results are in DIR:
    results.json, results.md, results.html, and a run folder for each training.
    """
    return click.command(name=name)(run)


for _name, _title in (
    ("mnist", "MNIST"),
    ("cifar10", "CIFAR-10"),
    ("cifar10+", "CIFAR-10+ (mirrored and shifted images)"),
    ("cifar100", "CIFAR-100"),
):
    command.add_command(_table_command(_name, _title))
command.add_command(faces)
