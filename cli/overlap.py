"""`nsface overlap`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nsface.cli.numbers import Finite
from nsface.cli.results import emit, json_option, terminal_width, writable
from nsface.errors import DataError, shown
from nsface.results.text import columns

if TYPE_CHECKING:
    from nsface.embeddings.file import Embeddings
    from nsface.embeddings.overlap import Match
    from nsface.embeddings.overlap_record import Way

_COLUMN = 8  # pairs in a column of the montage


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
    sort: str,
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
    from nsface.cli.inputs import note_zeros
    from nsface.cli.overlap_record import record
    from nsface.embeddings.file import load
    from nsface.embeddings.overlap import find_overlap, named_identities, read_names
    from nsface.files import write_text

    looking = montage is not None or pictures
    if looking != (train_images is not None) or looking != (test_images is not None):
        raise click.UsageError(
            "--montage and --pictures need --train-images and --test-images, and they need one of them"
        )
    trained, tested = load(train), load(test)
    for embeddings in (trained, tested):
        note_zeros(embeddings)
    known = read_names(names) if names else None
    named = named_identities(trained, tested, known)
    shared = []
    if pictures and train_images and test_images:
        shared = _shared(trained, tested, train_images, test_images)
    matches = find_overlap(trained, tested, known, shared)
    if sort == "lead":
        matches.sort(key=lambda match: -match.lead)
    found_by = _found_by(matches, named > 0, pictures, threshold)
    seen = {identity for identities in found_by.values() for identity in identities}
    found = [match for match in matches if match.identity in seen]
    rest = [match for match in matches if match.identity not in seen]
    listed = found + rest[: max(0, top - len(found))]
    if exclude:
        ways = ["by name"] * bool(named) + ["by a picture"] * pictures
        ways += [] if threshold is None else [f"by a cosine of at least {threshold:g}"]
        how = " or ".join(ways) or "but nothing says who it is"
        head = f"# identities of {shown(train)} that seem to be in {shown(test)}, {how}"
        write_text(exclude, "\n".join([head, *(_listable(one, exclude) for one in sorted(seen)), ""]))
    if montage and train_images and test_images:
        _draw(montage, listed, train_images, test_images)
    for run in runs:
        record(run, trained, tested, found_by, threshold)
    result: dict[str, Any] = {
        "train": str(train),
        "test": str(test),
        "model_digest": trained.meta.get("model_digest"),
        "threshold": threshold,
        "pictures": pictures,
        "sorted_by": sort,
        "identities": len(matches),
        "named": named,
        "compared": list(found_by),
        "found": [match.identity for match in found],
        "matches": [_entry(match) for match in listed],
    }
    emit(result, _table(result, matches, found, listed), json_to)


def _found_by(
    matches: Sequence[Match], named: bool, pictures: bool, threshold: float | None
) -> dict[Way, list[str]]:
    """Identities that seem to be in the test set, by each way in which the sets were compared."""
    found: dict[Way, list[str]] = {}
    if named:
        found["names"] = [match.identity for match in matches if match.by_name]
    if pictures:
        found["pictures"] = [match.identity for match in matches if match.by_picture]
    if threshold is not None:
        found["embeddings"] = [match.identity for match in matches if match.score >= threshold]
    return found


def _listable(identity: str, exclude: Path) -> str:
    """`identity`, if a line of the list for `exclude:` can hold it as it is."""
    held = identity.splitlines() == [identity] == [identity.strip()] and not identity.startswith("#")
    try:
        identity.encode()
    except UnicodeEncodeError:
        held = False
    if not held:
        raise DataError(
            f"cannot write {shown(exclude)}: a line cannot hold the identity '{shown(identity)}'; "
            "rename it, or list those found by hand under exclude: in the recipe"
        )
    return identity


def _entry(match: Match) -> dict[str, Any]:
    people = [{"person": person, "score": score} for person, score in match.candidates]
    return asdict(match) | {"candidates": people}


def _table(
    result: dict[str, Any], matches: Sequence[Match], found: Sequence[Match], listed: Sequence[Match]
) -> str:
    named = sum(match.by_name for match in found)
    have = f" ({result['named']} have a name to compare)" if result["named"] < len(matches) else ""
    lines = [f"{len(matches)} identities; in the test set seem to be", f"  {named} by name{have}"]
    seen = sum(match.by_picture and not match.by_name for match in found)
    if result["pictures"]:
        lines.append(f"  {seen} more by a picture")
    if result["threshold"] is not None:
        others = len(found) - named - seen
        lines.append(f"  {others} more by a cosine of at least {result['threshold']:g}")
    else:
        lines.append("  nobody by embeddings, since no --threshold was given; the most alike are")
    rows: list[Sequence[str]] = [("identity", "most like", "score", "lead", "best images", "")]
    rows += [
        (m.identity, m.person, f"{m.score:.3f}", f"{m.lead:.3f}", f"{m.image_score:.3f}", _how(m))
        for m in listed
    ]
    return "\n".join([*lines, columns(rows, width=terminal_width())])


def _how(match: Match) -> str:
    """What beside the score speaks for one person."""
    ways = {"name": match.by_name, "picture": match.by_picture}
    return ", ".join(way for way, holds in ways.items() if holds)


def _shared(
    train: Embeddings, test: Embeddings, train_images: str, test_images: str
) -> list[tuple[int, int]]:
    """Rows of both files whose pictures look the same."""
    from tqdm import tqdm

    from nsface.images.inspection.shared_pictures import shared_pictures
    from nsface.images.sources import open_source
    from nsface.names import Places

    sources = open_source(train_images), open_source(test_images)
    with tqdm(total=sum(map(len, sources)), desc="decoding", unit=" images", disable=None) as bar:
        pairs = shared_pictures(*sources, bar.update)
    places = Places(train.names), Places(test.names)
    rows = [
        (places[0].find(sources[0].names[one]), places[1].find(sources[1].names[two])) for one, two in pairs
    ]
    # an image that was left out when embeddings were extracted is in no row
    return [(one, two) for one, two in rows if one is not None and two is not None]


def _draw(path: Path, listed: Sequence[Match], train_images: str, test_images: str) -> None:
    """The two most similar images of every match, in columns."""
    from nsface.images.sources import open_source
    from nsface.names import Places
    from nsface.report.montage import Tile, draw_montage

    sources = [open_source(train_images), open_source(test_images)]
    places = [Places(source.names) for source in sources]
    tiles = []
    for match in listed:
        pair = []
        for source, place, name in zip(sources, places, match.images, strict=True):
            index = place.find(name)
            if index is None:
                place_of = shown(source.location)
                raise DataError(f"{place_of}: no image {shown(name)}; give the images that were extracted")
            pair.append(source.pixels(index))
        caption = f"{match.identity}\n{match.person} {match.score:.3f}"
        tiles.append(Tile(pair[0], pair[1], caption))
    parts = [tiles[start : start + _COLUMN] for start in range(0, len(tiles), _COLUMN)]
    draw_montage(path, [(f"{1 + _COLUMN * i} – {_COLUMN * i + len(p)}", p) for i, p in enumerate(parts)])
