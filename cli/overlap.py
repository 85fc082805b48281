"""`nsface overlap`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nsface.cli.numbers import Finite
from nsface.cli.output import emit, json_option, terminal_width, writable

if TYPE_CHECKING:
    from nsface.embeddings.file import Embeddings
    from nsface.embeddings.overlap import RowPair
    from nsface.embeddings.overlap_result import Match, Order, Overlap
    from nsface.images.sources import Source


@click.command(name="overlap")
@click.argument("train", metavar="TRAIN.npz", type=click.Path(path_type=Path))
@click.argument("test", metavar="TEST.npz", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    metavar="X",
    type=Finite(-1, 1),
    help="Take two identities for one person from this cosine upwards.",
)
@click.option(
    "--names",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Names of the training identities: a file with one identity and name per line.",
)
@click.option(
    "--top",
    metavar="N",
    type=click.IntRange(1, 1_000_000),
    default=20,
    show_default=True,
    help="Number of matches to show. Found identities are always shown.",
)
@click.option(
    "--sort",
    type=click.Choice(["score", "lead"]),
    default="score",
    show_default=True,
    help="Sort the matches by this, from the highest.",
)
@click.option(
    "--exclude",
    metavar="FILE",
    type=click.Path(path_type=Path),
    callback=writable,
    help="Write the found identities to a file for `exclude:`.",
)
@click.option(
    "--montage",
    metavar="FILE.png",
    type=click.Path(path_type=Path),
    callback=writable,
    help="Draw the matches that are shown.",
)
@click.option("--pictures", is_flag=True, help="Also find pictures that are in both sets.")
@click.option("--train-images", metavar="SRC", help="Images of TRAIN, for --montage and --pictures.")
@click.option("--test-images", metavar="SRC", help="Images of TEST, for --montage and --pictures.")
@click.option(
    "--run",
    "runs",
    metavar="RUN",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Record in this run folder how its data were compared: by name, picture, embedding.",
)
@json_option
def command(
    train: Path,
    test: Path,
    threshold: float | None,
    names: Path | None,
    top: int,
    sort: Order,
    exclude: Path | None,
    montage: Path | None,
    pictures: bool,
    train_images: str | None,
    test_images: str | None,
    runs: tuple[Path, ...],
    json_to: str | None,
) -> None:
    """Say which identities of a training set seem to appear in a test set.

    TRAIN.npz and TEST.npz are embeddings by one model, of images called IDENTITY/IMAGE.jpg. The score of two
    identities is the cosine of their mean embeddings. The lead is the score minus the highest score of the
    same person with any other identity.

    An identity is found if its name is in both sets, if a picture of it is in both sets (--pictures), or if
    its score reaches --threshold. Look at the montage before you rely on a threshold. --names takes lines
    such as `n000001,"Dalai_Lama"`.

    \b
    Examples:
      nsface overlap casia.npz lfw.npz --montage look.png --train-images casia/ --test-images lfw/
      nsface overlap casia.npz lfw.npz --pictures --train-images casia/ --test-images lfw/
      nsface overlap casia.npz lfw.npz --names casia_names.txt --threshold 0.6 --exclude exclude.txt
      nsface overlap casia.npz lfw.npz --sort lead --top 50
      nsface overlap casia.npz lfw.npz --threshold 0.6 --run runs/noisy --json overlap.json
    """
    needed = montage is not None or pictures
    if needed != (train_images is not None) or needed != (test_images is not None):
        raise click.UsageError(
            "--montage and --pictures need --train-images and --test-images, and they need one of them"
        )
    from nsface.embeddings.identity_names import read_names
    from nsface.embeddings.overlap import find_overlap
    from nsface.embeddings.overlap_record import record_overlap
    from nsface.files import write_text
    from nsface.images.sources import open_source
    from nsface.run_folder import RunFolder

    embeddings = _loaded(train), _loaded(test)
    known = read_names(names) if names else None
    sources = [open_source(images) for images in (train_images, test_images) if images]
    shared = _shared_rows(embeddings, sources) if pictures else None
    overlap = find_overlap(*embeddings, names=known, pictures=shared, threshold=threshold, order=sort)
    if exclude:
        write_text(exclude, overlap.exclusion_list())
    if montage:
        from nsface.report.montage import draw_matches

        draw_matches(montage, overlap.first(top), sources[0], sources[1])
    for run in runs:
        record_overlap(RunFolder(run), overlap)
    emit(overlap.to_json(top), _table(overlap, overlap.first(top)), json_to)


def _shared_rows(embeddings: tuple[Embeddings, Embeddings], sources: Sequence[Source]) -> list[RowPair]:
    """Pictures that are in both sets, with a bar while they are decoded."""
    from tqdm import tqdm

    from nsface.embeddings.overlap import shared_rows

    with tqdm(total=sum(map(len, sources)), desc="decoding", unit=" images", disable=None) as bar:
        return shared_rows(*embeddings, sources[0], sources[1], bar.update)


def _loaded(path: Path) -> Embeddings:
    from nsface.cli.inputs import note_zeros
    from nsface.embeddings.file import load

    embeddings = load(path)
    note_zeros(embeddings)
    return embeddings


def _table(overlap: Overlap, shown: Sequence[Match]) -> str:
    from nsface.results.text import columns, wrapped

    width = terminal_width()
    found = overlap.found
    named = sum(match.by_name for match in found)
    have = f" ({overlap.named} have a name to compare)" if overlap.named < len(overlap.matches) else ""
    lines = [f"{len(overlap.matches)} identities; in the test set seem to be", f"  {named} by name{have}"]
    pictured = sum(match.by_picture and not match.by_name for match in found)
    if overlap.pictures:
        lines.append(f"  {pictured} more by a picture")
    if overlap.threshold is not None:
        alike = len(found) - named - pictured
        lines.append(f"  {alike} more by a cosine of at least {overlap.threshold:g}")
    else:
        lines.append("  nobody by embeddings, since no --threshold was given; the most alike are")
    rows: list[Sequence[str]] = [("identity", "most like", "score", "lead", "best images", "")]
    for m in shown:
        ways = ", ".join(["name"] * m.by_name + ["picture"] * m.by_picture)
        rows.append((m.identity, m.person, f"{m.score:.3f}", f"{m.lead:.3f}", f"{m.image_score:.3f}", ways))
    return "\n".join([*(wrapped(line, width) for line in lines), columns(rows, width=width)])
