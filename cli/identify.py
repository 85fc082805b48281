"""`nsface identify`: who in a gallery is most alike the faces in images."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from nsface.cli import decisions
from nsface.cli.inputs import PARAMETERS, network_options, note_zeros
from nsface.cli.output import emit_json, emit_line, emit_lines, json_option, note_all, say, terminal_width
from nsface.cli.points import align_option
from nsface.errors import DataError, listing, shown

if TYPE_CHECKING:
    from nsface.embeddings.faces import Embedded, FaceEmbedder
    from nsface.embeddings.file import Embeddings
    from nsface.images.sources import Source
    from nsface.protocols.decisions import People, Rule
    from nsface.results.decisions import ProbeDecision

_MOST = 1000  # candidates of a probe
_ROWS = 256  # probes of an embeddings file that are searched together


@click.command(name="identify")
@click.argument("gallery", type=click.Path(path_type=Path))
@click.argument("probes", type=click.Path(allow_dash=True))
@click.option("--model", type=click.Path(path_type=Path), help="Embed images with this model.")
@decisions.threshold_option
@click.option(
    "--top",
    metavar="K",
    type=click.IntRange(1, _MOST),
    default=1,
    show_default=True,
    help="The K most alike people.",
)
@click.option("--jsonl", is_flag=True, help="Print a line of JSON for each probe instead of the table.")
@decisions.null_option
@decisions.skip_bad_option
@network_options
@align_option
@json_option
def command(
    gallery: Path,
    probes: str,
    model: Path | None,
    threshold: str | None,
    top: int,
    jsonl: bool,
    nul: bool,
    skip_bad: bool,
    json_to: str | None,
    **options: Any,
) -> None:
    """Say who in GALLERY is most alike the face in each of PROBES, and whether it is that person.

    GALLERY is an embeddings file, or images: a folder, a list or a tar. A person is the folder of an image's
    name, or each image where there are no folders; of several images of a person the best counts. PROBES is
    an embeddings file, an image, a folder, a list, a tar, or - for paths on standard input, each of which is
    answered as soon as it has come. Images take --model. Nobody is identified without --threshold.

    \b
    Examples:
      nsface identify staff.npz visitors.npz --threshold threshold.json
      nsface identify staff.npz door.jpg --model model.safetensors --threshold threshold.json --top 3
      inotifywait -m -e close_write --format %w%f door | nsface identify staff.npz - --model m.onnx --jsonl
    """
    from nsface.protocols.decisions import People, read_rule

    _check_usage(gallery, probes, model, nul, jsonl, json_to)
    rule = read_rule(threshold)
    embedder = None if model is None else decisions.embedder(model, options)
    people = People(_gallery(gallery, embedder, skip_bad))
    if _is_embeddings_file(probes):
        made = _load(probes)
        answers = _of_embeddings(made, people, rule, top)
    else:
        assert embedder is not None  # images take --model
        made = embedder.made
        answers = _of_images(probes, nul, embedder, people, rule, top, options)
    note_all(people.comparable(made))
    note_all(rule.identification_notes(made, len(people.embeddings.names), len(people.names)))
    bad, total = _print(answers, people, rule, jsonl, json_to)
    if embedder is not None:
        note_all(embedder.notes())
        made = made if _is_embeddings_file(probes) else embedder.made
    note_all([*people.crop_notes(made), *rule.crop_notes(made)])
    if not total:
        raise DataError(f"{'standard input' if probes == '-' else shown(probes)}: no probes in it")
    decisions.refuse_bad(bad, total, "probes", skip_bad)


def _check_usage(
    gallery: Path, probes: str, model: Path | None, nul: bool, jsonl: bool, json_to: str | None
) -> None:
    """Refuse options that do not go together."""
    made = _is_embeddings_file(gallery) and _is_embeddings_file(probes)
    source = click.get_current_context().get_parameter_source
    given = any(source(name) is not ParameterSource.DEFAULT for name in (*PARAMETERS, "aligning"))
    if model is None and not made:
        raise click.UsageError("images take --model; without it, give embeddings files (.npz or .npy)")
    if made and (model is not None or given):
        raise click.UsageError(
            "--model, --align and the options of networks do not go with two embeddings files"
        )
    if nul and probes != "-":
        raise click.UsageError("-0 is about paths on standard input: give - for PROBES")
    if jsonl and json_to == "-":
        raise click.UsageError("--jsonl and --json - are two ways to print; give one")


def _is_embeddings_file(path: str | Path) -> bool:
    return str(path).endswith((".npz", ".npy")) and not os.path.isdir(path)


def _load(path: str | Path) -> Embeddings:
    from nsface.embeddings.file import load

    loaded = load(path)
    note_zeros(loaded)
    return loaded


def _gallery(path: Path, embedder: FaceEmbedder | None, skip_bad: bool) -> Embeddings:
    """The embeddings at `path`, or of the images there."""
    if embedder is None or _is_embeddings_file(path):
        return _load(path)
    import numpy as np
    from tqdm import tqdm

    from nsface.embeddings.file import Embeddings
    from nsface.images.sources import open_source

    source = open_source(path)
    names: list[str] = []
    vectors = []
    bad = []
    with tqdm(total=len(source), desc="gallery", unit=" images", disable=None) as bar:
        for name, one in _embedded(source, embedder):
            bar.update()
            if one.vector is None:
                bad.append(f"{name}: {one.problem}")
            else:
                names.append(name)
                vectors.append(one.vector)
    if bad and (not skip_bad or not names):
        remedy = "mend them, or leave them out with --skip-bad"
        raise DataError(
            f"{shown(path)}: {len(bad)} of {len(source)} images cannot be used: {listing(bad)}; {remedy}"
        )
    for why in bad:
        say(f"skipped {why}")
    made = embedder.made
    return Embeddings(names, np.stack(vectors), made.meta, str(path))


def _embedded(source: Source, embedder: FaceEmbedder) -> Iterator[tuple[str, Embedded]]:
    """Every image of `source`: its name and what became of it."""
    for start in range(0, len(source), decisions.AT_ONCE):
        part = range(start, min(start + decisions.AT_ONCE, len(source)))
        yield from zip((source.names[index] for index in part), embedder.images(source, part), strict=True)


def _of_embeddings(probes: Embeddings, people: People, rule: Rule, top: int) -> Iterator[ProbeDecision]:
    """The decision about each row of an embeddings file."""
    for start in range(0, len(probes.names), _ROWS):
        part = slice(start, start + _ROWS)
        yield from people.identify(probes.names[part], probes.vectors[part], rule, top)


def _of_images(
    probes: str,
    nul: bool,
    embedder: FaceEmbedder,
    people: People,
    rule: Rule,
    top: int,
    options: dict[str, Any],
) -> Iterator[ProbeDecision]:
    """The decision about each image at `probes`, or whose path comes on standard input."""
    from nsface.images.sources import open_source
    from nsface.names import has_image_extension

    if probes == "-":
        groups = ((paths, embedder.files(paths)) for paths in decisions.in_groups(0, _paths(nul)))
    elif has_image_extension(probes) and os.path.isfile(probes):
        groups = (([path], embedder.files([path])) for path in (probes,))
    else:
        source = open_source(probes)
        groups = (([name], [one]) for name, one in _embedded(source, embedder))
    for names, images in groups:
        yield from _answers(names, images, people, rule, top, options)


def _paths(nul: bool) -> Iterator[str]:
    """Paths on standard input, each when it has come."""
    from nsface.text import arriving_lines

    for line in arriving_lines(0, nul, "standard input"):
        path = line if nul else line.strip()
        if path:
            yield os.fsdecode(path)


def _answers(
    names: Sequence[str],
    images: Sequence[Embedded],
    people: People,
    rule: Rule,
    top: int,
    options: dict[str, Any],
) -> Iterator[ProbeDecision]:
    """The decision about each of some images."""
    from nsface.results.decisions import ProbeDecision

    for name, one in zip(names, images, strict=True):
        if one.vector is None:
            yield ProbeDecision(probe=name, threshold=rule.threshold, error=one.problem)
        else:
            face = decisions.face_of(one, options["align"])
            yield from people.identify([name], one.vector[None], rule, top, [face])


def _print(
    answers: Iterator[ProbeDecision],
    people: People,
    rule: Rule,
    jsonl: bool,
    json_to: str | None,
) -> tuple[int, int]:
    """Print each decision when it is made, or all at the end as one JSON object.

    Returns:
        how many probes could not be used, and how many there were.
    """
    from nsface.results.decisions import column_titles, person_width
    from nsface.results.values import plain

    lines = not jsonl and json_to != "-"
    column = person_width(people.names)
    if lines:
        emit_lines(people.result(rule).heading(terminal_width()), column_titles(column))
    kept: list[ProbeDecision] = []
    total = bad = 0
    for one in answers:
        total, bad = total + 1, bad + (one.error is not None)
        if jsonl:
            emit_line(plain(one))
        elif lines:
            emit_lines(one.lines(column))
            if one.error is not None:
                say(f"{one.probe}: {one.error}")
        if json_to is not None:
            kept.append(one)
    if json_to is not None:
        emit_json(people.result(rule, kept).to_json(), json_to)
    return bad, total
