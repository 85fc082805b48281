"""`nsface reproduce faces`."""

from __future__ import annotations

from pathlib import Path

import click

from nsface.cli.output import command_line, emit, say, terminal_width
from nsface.cli.reproduce_options import chosen, table_options

PATH = click.Path(path_type=Path)


@click.command(name="faces")
@click.option("--train", metavar="PATH", required=True, help="Training faces, in folders by identity.")
@click.option(
    "--lfw", metavar="PATH", required=True, help="All images of LFW, aligned as the training faces."
)
@click.option("--lists", type=PATH, metavar="DIR", help="A folder with lists of benchmarks, as of eval-all.")
@click.option("--pairs", type=PATH, metavar="FILE", help="LFW's pairs.txt, where it is not in --lists.")
@click.option("--fglfw", type=PATH, metavar="FILE", help="FGLFW's list, where it is not in --lists.")
@click.option("--fglfw-like", type=PATH, metavar="FILE", help="A list in FGLFW's form, of other pairs.")
@click.option("--ytf", metavar="PATH", help="Frames of YouTube Faces, aligned in the same way.")
@click.option("--splits", type=PATH, metavar="FILE", help="YTF's splits.txt, where it is not in --lists.")
@click.option(
    "--exclude", type=PATH, metavar="FILE", help="Identities to leave out of the training, one a line."
)
@click.option("--recipe", metavar="NAME", help="Recipe of all arms, or its file.  [default: lfw-small]")
@click.option("--quick", is_flag=True, help="Recipe lfw-quick, two epochs, two arms and seeds: minutes.")
@table_options
def faces(
    train: str,
    lfw: str,
    lists: Path | None,
    pairs: Path | None,
    fglfw: Path | None,
    fglfw_like: Path | None,
    ytf: str | None,
    splits: Path | None,
    exclude: Path | None,
    recipe: str | None,
    quick: bool,
    out: Path,
    seeds: tuple[int, ...] | None,
    arms: tuple[str, ...] | None,
    jobs: int | None,
    settings: tuple[str, ...],
    json_to: str | None,
    **options: str | None,
) -> None:
    """Faces: LFW, identification, BLUFR, FGLFW and YouTube Faces.

    Softmax and Noisy Softmax with several α² are trained with the same budget and seeds. Each network is
    scored by every protocol whose list is there, and so are ensembles of two. The results are in DIR:
    results.json, results.md, results.html, and a run folder for each training. What is there is not made
    again.

    \b
    Examples:
      nsface reproduce faces --train faces.tar --lfw lfw.tar --lists lists/ --out runs/faces --quick
      nsface reproduce faces --train casia/ --lfw lfw/ --lists lists/ --ytf frame_images_DB/ \\
          --recipe casia-softmax --exclude in-lfw.txt --seeds 0-4 --out runs/casia
    """
    from nsface.reproduce.face_text import text
    from nsface.reproduce.faces import reproduce_faces
    from nsface.training.loop import Interrupted

    if quick and recipe is not None:
        raise click.UsageError("--quick has a recipe of its own; give it or --recipe")
    if splits is not None and ytf is None:
        raise click.UsageError("--splits is a list of videos: give their frames by --ytf")
    own = {"data": train, "exclude": None if exclude is None else str(exclude), **options}
    given = chosen(own, settings)
    single = {"pairs": pairs, "fglfw": fglfw, "fglfw-like": fglfw_like, "splits": splits}
    try:
        found = reproduce_faces(
            out, lfw, given, lists=lists, single_lists=single,
            frames=ytf, scale="quick" if quick else "reduced", recipe=recipe, seeds=seeds, arms=arms,
            processes=jobs, note=say, command=command_line(),
        )  # fmt: skip
    except Interrupted as interruption:
        raise click.Abort(str(interruption)) from interruption
    emit(found.to_json(), text(found, terminal_width()), json_to)
