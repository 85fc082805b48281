"""`nsface verify`: whether two images show one person."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nsface.cli import decisions
from nsface.cli.inputs import network_options
from nsface.cli.output import emit_line, emit_result, json_option, note_all
from nsface.cli.points import align_option
from nsface.errors import DataError, shown

if TYPE_CHECKING:
    from nsface.embeddings.faces import Embedded, FaceEmbedder
    from nsface.protocols.decisions import Rule
    from nsface.results.decisions import PairDecision


@click.command(name="verify")
@click.argument("first", metavar="[A", required=False)
@click.argument("second", metavar="B]", required=False)
@click.option(
    "--model", type=click.Path(path_type=Path), required=True, help="A model.safetensors or an ONNX file."
)
@decisions.threshold_option
@click.option(
    "--pairs",
    metavar="FILE",
    help="Many pairs instead of A and B: a line for each, A<TAB>B; with -, from standard input.",
)
@decisions.null_option
@decisions.skip_bad_option
@network_options
@align_option
@json_option
def command(
    first: str | None,
    second: str | None,
    model: Path,
    threshold: str | None,
    pairs: str | None,
    nul: bool,
    skip_bad: bool,
    json_to: str | None,
    **options: Any,
) -> None:
    """Say how alike the faces in images A and B are, and whether they show one person.

    A and B are files of aligned faces, or photographs with --align. The decision takes a threshold: `nsface
    calibrate` finds one for a wanted rate of errors. With --pairs every pair gives a line of JSON as soon as
    it is done. The status is 0 whatever the decision.

    \b
    Examples:
      nsface verify a.jpg b.jpg --model model.safetensors --threshold threshold.json
      nsface verify a.jpg b.jpg --model model.safetensors --align --detector mtcnn --json -
      nsface verify --pairs pairs.tsv --model model.safetensors --threshold threshold.json > decisions.jsonl
    """
    from nsface.protocols.decisions import read_rule

    if (first is None or second is None) if pairs is None else first is not None:
        raise click.UsageError("give two images, A and B, or --pairs FILE")
    if nul and pairs is None:
        raise click.UsageError("-0 is about the paths in --pairs")
    if pairs is not None and json_to not in (None, "-"):
        raise click.UsageError("--pairs prints lines of JSON: redirect standard output, without --json FILE")
    rule = read_rule(threshold)
    embedder = decisions.embedder(model, options)
    note_all(rule.verification_notes(embedder.made))
    if pairs is not None:
        _many(pairs, nul, embedder, rule, options, skip_bad)
    else:
        (made,) = _decided([(str(first), str(second))], embedder, rule, options, in_full=True)
        if made.error is not None:
            raise DataError(made.error)
        emit_result(made, json_to)
    note_all([*embedder.notes(), *rule.crop_notes(embedder.made)])


def _many(
    pairs: str, nul: bool, embedder: FaceEmbedder, rule: Rule, options: dict[str, Any], skip_bad: bool
) -> None:
    """Print a line for each pair in the list."""
    total = bad = 0
    with decisions.opened(pairs) as handle:
        for group in decisions.in_groups(handle, _pairs(handle, nul, pairs)):
            for made in _decided(group, embedder, rule, options, in_full=False):
                total, bad = total + 1, bad + (made.error is not None)
                emit_line(made.to_json())
    if not total:
        raise DataError(f"{_where(pairs)}: no pairs in it; a line is A<TAB>B")
    decisions.refuse_bad(bad, total, "pairs", skip_bad)


def _decided(
    pairs: list[tuple[str, str]],
    embedder: FaceEmbedder,
    rule: Rule,
    options: dict[str, Any],
    *,
    in_full: bool,
) -> Iterator[PairDecision]:
    """The decision about each of `pairs`."""
    from nsface.results.decisions import PairDecision

    made = embedder.files([path for pair in pairs for path in pair])
    for place, pair in enumerate(pairs):
        images: list[Embedded] = made[2 * place : 2 * place + 2]
        problems = [f"{path}: {one.problem}" for path, one in zip(pair, images, strict=True) if one.problem]
        if problems:
            yield PairDecision(
                first=pair[0],
                second=pair[1],
                similarity=rule.similarity,
                threshold=rule.threshold,
                error="; ".join(dict.fromkeys(problems)),
            )
            continue
        faces = [decisions.face_of(one, options["align"]) for one in images]
        known = tuple(face for face in faces if face)
        one, other = (images[0].vector, images[1].vector)
        assert one is not None
        assert other is not None
        yield rule.verify((pair[0], one), (pair[1], other), known or None, in_full=in_full)


def _pairs(handle: int, nul: bool, pairs: str) -> Iterator[tuple[str, str]]:
    """The pairs that the open file `handle` names, each when it has arrived."""
    from nsface.text import arriving_lines

    lines = arriving_lines(handle, nul, _where(pairs))
    if nul:
        for first in lines:
            second = next(lines, None)
            if second is None:
                raise DataError(f"{_where(pairs)}: an odd number of paths; two are a pair: A NUL B NUL")
            yield os.fsdecode(first), os.fsdecode(second)
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith(b"#"):
            continue
        paths = line.removesuffix(b"\r").split(b"\t")
        if len(paths) != 2 or not all(paths):
            raise DataError(f"{_where(pairs)}:{number}: a line is A<TAB>B, two paths; -0 takes any names")
        yield os.fsdecode(paths[0]), os.fsdecode(paths[1])


def _where(pairs: str) -> str:
    return "standard input" if pairs == "-" else shown(pairs)
