"""`nsface compare`: two systems on one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from nsface.cli.inputs import load_embeddings, name_prefix_option
from nsface.cli.results import columns, emit, interval, json_option, percent, plots_option, writable
from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, listing
from nsface.names import Places
from nsface.protocols import fglfw, ijb, lfw, pairs, ytf
from nsface.protocols.bin_file import bin_trials
from nsface.protocols.comparison import (
    compare_identification,
    compare_templates,
    compare_verification,
    worst_errors,
)
from nsface.protocols.identification import identify
from nsface.protocols.identification_lists import lfw_trial, read_subjects
from nsface.protocols.trials import Trials
from nsface.protocols.verification import Verification, verify

PATH = click.Path(path_type=Path)


def _read_bin(path: Path) -> Trials:
    from nsface.images.sources.bin import BinSource

    source = BinSource(path)
    return bin_trials(source.same, source.location)


READERS = {
    "lfw": lfw.read_pairs,
    "fglfw": fglfw.read_pairs,
    "ytf": ytf.read_splits,
    "pairs": pairs.read_pairs,
    "bin": _read_bin,
}
SHORT = 10  # the longest name of a system that is the title of a column
SHOWN = 8  # worst errors of each system in a montage, disagreements in the table


@click.command()
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@click.option(
    "--protocol",
    type=click.Choice([*READERS, "ijb", "ident"]),
    default="lfw",
    show_default=True,
    help="What both are scored on.",
)
@click.option(
    "--pairs", "pairs_file", type=PATH, help="The list of the protocol (ytf: splits.txt, bin: the .bin)."
)
@click.option("--faces", type=PATH, help="For ijb: *_face_tid_mid.txt.")
@click.option("--people", type=PATH, help="For ident: LFW's people.txt.")
@click.option("--subjects", type=PATH, help="For ident: the 596 subjects.")
@click.option(
    "--montage",
    type=PATH,
    metavar="FILE",
    callback=writable,
    help="Draw the worst errors of both as PNG; needs --images.",
)
@click.option("--images", type=PATH, help="The images, for --montage: folder, list or tar.")
@name_prefix_option
@plots_option
@json_option
def command(
    first: Path,
    second: Path,
    protocol: str,
    pairs_file: Path | None,
    faces: Path | None,
    people: Path | None,
    subjects: Path | None,
    montage: Path | None,
    images: Path | None,
    plots: Path | None,
    json_to: str | None,
) -> None:
    """Compare the embeddings FIRST and SECOND: difference, interval, paired test, disagreements.

    Verification: interval and test that know which pairs share people (identity-aware), paired t test over
    folds, McNemar's test. Identification: paired bootstrap of DIR at FAR, identity-aware test of Rank-1. IJB:
    identity-aware interval and test of TAR at FAR, McNemar's test. Embeddings of a .bin set come from
    `nsface extract MODEL lfw.bin -o lfw.npz`.

    \b
    Examples:
      nsface compare noisy.npz softmax.npz --pairs pairs.txt
      nsface compare noisy.npz softmax.npz --pairs pairs.txt --montage worst.png --images lfw/
      nsface compare a.npz b.npz --protocol ident --people people.txt --subjects lfw_ytf_596.txt
    """
    if (montage is None) != (images is None):
        raise click.UsageError("--montage and --images go together")
    names = (first.stem, second.stem) if first.stem != second.stem else (str(first), str(second))
    if protocol == "ident":
        if people is None or subjects is None or pairs_file or faces or montage:
            raise click.UsageError(
                "--protocol ident needs --people and --subjects, and takes no other list or --montage"
            )
        _identification(first, second, names, people, subjects, plots, json_to)
        return
    if pairs_file is None:
        raise click.UsageError(f"--protocol {protocol} needs --pairs")
    if people or subjects:
        raise click.UsageError(f"--protocol {protocol} takes no --people and --subjects; ident does")
    if (protocol == "ijb") != (faces is not None):
        raise click.UsageError("--protocol ijb and --faces go together")
    if faces:
        if montage:
            raise click.UsageError("ijb compares templates: there is no --montage of them")
        _templates(first, second, names, faces, pairs_file, plots, json_to)
        return
    trials = READERS[protocol](pairs_file)
    if protocol == "pairs" and trials.folds < 2:
        trials = pairs.with_disjoint_folds(trials) or trials
    if protocol == fglfw.NAME:
        protocol = fglfw.protocol_name(trials)
    systems = [_verified(protocol, load_embeddings(path), trials) for path in (first, second)]
    result = compare_verification(systems[0], systems[1]) | {"systems": list(names)}
    if plots:
        from nsface.report.figures import draw_verification

        draw_verification(plots, dict(zip(names, systems, strict=True)))
    if montage and images:
        _montage(montage, images, dict(zip(names, systems, strict=True)))
    emit(result, _table(result), json_to)


def _verified(protocol: str, embeddings: Embeddings, trials: Trials) -> Verification:
    if protocol == "ytf":
        embeddings = ytf.templates(embeddings, trials).embeddings
    return verify(protocol, embeddings, trials)


def _identification(
    first: Path,
    second: Path,
    names: tuple[str, str],
    people: Path,
    subjects: Path,
    plots: Path | None,
    json_to: str | None,
) -> None:
    everyone = [person for fold in lfw.read_people(people) for person in fold]
    trial = lfw_trial(everyone, read_subjects(subjects, everyone))
    measured = [identify(load_embeddings(path), trial) for path in (first, second)]
    result = compare_identification(measured[0], measured[1]) | {"systems": list(names)}
    if plots:
        from nsface.report.figures import draw_identification

        draw_identification(plots, dict(zip(names, measured, strict=True)))
    titles, legend = _titles(names)
    rows: list[tuple[str, ...]] = [("", *titles, "difference", "95 % interval", "p")]
    rank = result["rank_1"]
    rows.append(("Rank-1", *map(percent, rank["rank_1"]), *_identity_aware(rank)))
    for point in result["dir"]:
        what = f"DIR at FAR {100 * point['far']:g} %"
        rows.append((what, *map(percent, point["dir"]), *_tested(point)))
    emit(result, "\n".join(["ident", *legend, columns(rows)]), json_to)


def _templates(
    first: Path,
    second: Path,
    names: tuple[str, str],
    faces: Path,
    pairs_file: Path,
    plots: Path | None,
    json_to: str | None,
) -> None:
    known = ijb.read_faces(faces)
    wanted = ijb.read_template_pairs(pairs_file, known)
    scores = [
        ijb.score_templates(ijb.template_vectors(load_embeddings(path), known), wanted)
        for path in (first, second)
    ]
    result = compare_templates(scores, wanted) | {"systems": list(names)}
    if plots:
        from nsface.report.figures import draw_roc

        curves = [ijb.curve_of(system, wanted) for system in scores]
        draw_roc(plots, dict(zip(names, curves, strict=True)), "ijb")
    head = f"ijb: {result['pairs']} pairs, {result['genuine']} genuine of {result['people']} people"
    titles, legend = _titles(names)
    tests = ("difference", "95 % interval", "p", "p (McNemar)")
    rows: list[tuple[str, ...]] = [("TAR at FAR", *titles, *tests)]
    for point in result["tar_at_far"]:
        shares = (f"{point['far']:g}", *map(percent, point["tar"]))
        rows.append((*shares, *_identity_aware(point), f"{point['mcnemar']['mid_p']:.3g}"))
    emit(result, "\n".join([head, *legend, columns(rows)]), json_to)


def _tested(result: dict[str, Any]) -> tuple[str, str, str]:
    ends = interval(result["confidence_interval"])
    return percent(result["difference"]), ends, f"{result['p_value']:.3g}"


def _identity_aware(result: dict[str, Any]) -> tuple[str, str, str]:
    p = result["identity_p_value"]
    shown = "–" if p is None else f"{p:.3g}"
    return percent(result["difference"]), interval(result["identity_interval"]), shown


def _titles(names: Sequence[str]) -> tuple[tuple[str, str], list[str]]:
    """Titles of the systems' columns, and the lines that explain `first` and `second`, for long names."""
    first, second = names
    if max(len(first), len(second)) <= SHORT:
        return (first, second), []
    return ("first", "second"), [f"  first:  {first}", f"  second: {second}"]


def _table(result: dict[str, Any]) -> str:
    titles, legend = _titles(result["systems"])
    test = result["mcnemar"]
    rows: list[tuple[str, ...]] = [("accuracy", *titles, "difference", "95 % interval", "p")]
    if result["identity_interval"]:
        rows.append(("identity-aware", *map(percent, result["accuracy"]), *_identity_aware(result)))
    rows.append((result["test"], *map(percent, result["accuracy"]), *_tested(result)))
    lines = [f"{result['protocol']}: {result['pairs']} pairs", *legend, columns(rows)]
    lines += [
        f"  only {titles[0]} right: {test['only_first']}; only {titles[1]} right: {test['only_second']}",
        f"  McNemar's test: exact p {test['exact']:.3g}, mid-p {test['mid_p']:.3g}",
    ]
    shown = result["disagreements"][:SHOWN]
    if shown:
        of = f"{len(shown)} of the {len(result['disagreements'])}" if len(shown) == SHOWN else str(len(shown))
        lines.append(f"  {of} pairs that only one of them has right (all with --json):")
        rows = [("left", "right", "same", *titles, "right is")]
        for pair in shown:
            scores = [f"{score:.4f}" for score in pair["scores"]]
            right = titles[pair["right_system"] - 1]
            rows.append((pair["left"], pair["right"], "yes" if pair["same"] else "no", *scores, right))
        lines.append(columns(rows, indent="    "))
    return "\n".join(lines)


def _montage(path: Path, images: Path, systems: dict[str, Verification]) -> None:
    """Draw the worst errors of every system."""
    from nsface.images.decode import decode
    from nsface.images.sources import open_source
    from nsface.report.montage import Tile, draw_montage

    source = open_source(str(images))
    places = Places(source.names)
    worst = {name: worst_errors(system, SHOWN) for name, system in systems.items()}
    drawn = []
    for name, system in systems.items():
        tiles = []
        for i in worst[name]:
            pair = (system.trials.left[i], system.trials.right[i])
            found = {image: place for image in pair if (place := places.find(image)) is not None}
            if missing := [image for image in pair if image not in found]:
                raise DataError(f"{images}: no image {listing(missing)}; give the folder that was extracted")
            left, right = (decode(source.read(found[image]), image) for image in pair)
            kind = "same person" if system.trials.same[i] else "different people"
            short = "\n".join(image.rsplit("/", 1)[-1] for image in pair)
            tiles.append(Tile(left, right, f"{kind}, score {system.scores[i]:.3f}\n{short}"))
        drawn.append((f"{name}: worst errors", tiles))
    draw_montage(path, drawn)
