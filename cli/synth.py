"""`nsface synth`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nsface.cli.numbers import PEOPLE, SEED, WORKERS, number_option
from nsface.cli.output import say

if TYPE_CHECKING:
    from nsface.synthetic.layouts import Progress

_PAIRS, _IMAGES = click.IntRange(0, 30_000), click.IntRange(1, 10_000)
_FOLDS = click.IntRange(2, 100)


@click.command(name="synth")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@number_option("--identities", kind=PEOPLE, default=500, text="People to train on.")
@number_option("--images-each", "images", kind=_IMAGES, default=24, text="Images of each of them.")
@click.option("--tar", is_flag=True, help="Write the training images as train.tar, not as a folder.")
@number_option("--folds", kind=_FOLDS, default=10, text="Folds of the lists; eval-fglfw needs 10.")
@number_option(
    "--lfw-pairs",
    kind=_PAIRS,
    default=300,
    text="Pairs of each kind in an LFW-shaped fold; 0 makes no such set.",
)
@number_option(
    "--lfw-people",
    kind=PEOPLE,
    text="People in all LFW-shaped folds.  [default: as in LFW, 575 for 300 pairs]",
)
@number_option(
    "--ytf-pairs",
    kind=_PAIRS,
    default=50,
    text="Pairs of videos of each kind in a YTF-shaped fold; 0 makes no such set.",
)
@number_option("--frames", kind=_IMAGES, default=8, text="Frames per video.")
@click.option(
    "--size",
    type=click.Choice(["112x96", "112x112"]),
    default="112x96",
    show_default=True,
    help="Height x width of the images.",
)
@number_option("--seed", kind=SEED, default=0, text="Seed of everything that is drawn.")
@number_option("--workers", kind=WORKERS, text="Processes.  [default: one per core]")
def command(
    out: Path,
    identities: int,
    images: int,
    tar: bool,
    folds: int,
    lfw_pairs: int,
    lfw_people: int | None,
    ytf_pairs: int,
    frames: int,
    size: str,
    seed: int,
    workers: int | None,
) -> None:
    """Render people who do not exist into the new folder OUT.

    \b
    OUT/train/0000000/001.jpg                        (or train.tar)
    OUT/lfw/Ala_Ashac/Ala_Ashac_0001.jpg
    OUT/ytf/frame_images_DB/Ala_Ashac/0/0.1.jpg
    OUT/pairs.txt, people.txt, pair_FGLFW.txt, subjects.txt, splits.txt
    OUT/lfw_identification/trial01/closed_gallery.txt  (ten draws, four lists each)
    OUT/rendered.json           (tells other commands that the faces are rendered)

    The same options give the same pixels and lists on every machine, with any number of workers.

    \b
    Examples:
      nsface synth faces
      nsface synth casia-size --identities 10572 --images-each 46 --lfw-pairs 0 --ytf-pairs 0 --tar
    """
    from nsface.files import new_folder
    from nsface.images.rendered import mark_rendered
    from nsface.synthetic import Size, write_lfw_set, write_training_set, write_ytf_set

    common: dict[str, Any] = {"seed": seed, "size": Size.of(size), "workers": workers or os.cpu_count() or 1}
    with new_folder(out) as folder:
        mark_rendered(folder)
        if identities:
            training = folder / ("train.tar" if tar else "train")
            with _bar("training set") as progress:
                write_training_set(training, identities, images, progress=progress, **common)
        familiar: tuple[int, ...] = ()
        if lfw_pairs:
            with _bar("LFW-shaped set") as progress:
                lfw = write_lfw_set(folder, folds, lfw_pairs, people=lfw_people, progress=progress, **common)
            familiar = lfw.familiar
        if ytf_pairs:
            common["familiar"] = familiar
            with _bar("YTF-shaped set") as progress:
                write_ytf_set(folder, folds, ytf_pairs, frames, progress=progress, **common)
    say(f"{out}: written")


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    from tqdm import tqdm

    with tqdm(desc=title, unit=" images", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
