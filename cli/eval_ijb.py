"""`nsface eval-ijb`: IJB-B and IJB-C, template 1:1."""

from __future__ import annotations

from pathlib import Path

import click

from nsface.cli.inputs import Inputs, embeddings_options
from nsface.cli.numbers import FAR
from nsface.cli.results import columns, emit, interval, json_option, percent, plots_option
from nsface.cli.verification import pairs_option
from nsface.protocols.ijb import (
    FARS,
    curve_of,
    failures,
    read_faces,
    read_template_pairs,
    result,
    score_templates,
    template_vectors,
    with_embedding,
)


@click.command()
@embeddings_options
@click.option("--faces", type=click.Path(path_type=Path), required=True, help="*_face_tid_mid.txt.")
@pairs_option("*_template_pair_label.txt.")
@click.option(
    "--failure-to-enrol",
    type=click.Choice(["refuse", "lowest"]),
    default="refuse",
    show_default=True,
    help="Templates without an embedded face: refuse them, or score their pairs below all others.",
)
@click.option("--far", "fars", type=FAR, multiple=True, help="FAR at which TAR is given.")
@plots_option
@json_option
def command(
    inputs: Inputs,
    faces: Path,
    pairs: Path,
    failure_to_enrol: str,
    fars: tuple[float, ...],
    plots: Path | None,
    json_to: str | None,
) -> None:
    """Score EMBEDDINGS of faces on IJB-B or IJB-C, template against template.

    Faces of one medium are averaged, media are summed, the template is normalised; the score is the cosine.

    \b
    Example:
      nsface eval-ijb ijbc.npz --faces ijbc_face_tid_mid.txt --pairs ijbc_template_pair_label.txt
    """
    known = enrolled = read_faces(faces)
    lowest = failure_to_enrol == "lowest"
    wanted = None if lowest else read_template_pairs(pairs, known)
    embeddings = inputs.load()
    if wanted is None:
        enrolled = with_embedding(known, embeddings)
        wanted = read_template_pairs(pairs, enrolled, failures=True)
    scores = score_templates(template_vectors(embeddings, enrolled), wanted)
    curve = curve_of(scores, wanted)
    measured = result(known, wanted, curve, scores, fars or FARS)
    measured |= {"embeddings": embeddings.source, "flip": embeddings.meta.get("flip")}
    if lowest:
        measured["failure_to_enrol"] = failures(known, enrolled, wanted)
    rows = [("FAR", "TAR", "95 % interval", "achieved FAR", "threshold")]
    for p in measured["tar_at_far"]:
        shares = (percent(p["tar"]), interval(p["identity_interval"]))
        rows.append((f"{p['far']:g}", *shares, f"{p['achieved_far']:.3g}", f"{p['threshold']:.4f}"))
    head = (
        f"ijb: {measured['pairs']} pairs ({measured['genuine']} genuine), {measured['templates']} templates, "
        f"{measured['images']} faces\n  AUC {percent(measured['auc'], 3)}, EER {percent(measured['eer'])}\n"
    )
    if plots:
        from nsface.report.figures import draw_roc, draw_scores

        name = Path(embeddings.source).stem
        draw_roc(plots, {name: curve}, "ijb")
        draw_scores(plots, "scores", f"Scores, ijb, {name}", scores, wanted.same, "score (cosine)", [])
    table = head + columns(rows)
    if lowest:
        failed = measured["failure_to_enrol"]
        table += (
            f"\n  failed to enrol: {failed['templates']} templates, in {failed['pairs']} pairs "
            f"({failed['genuine']} genuine), scored below all others; "
            f"{failed['faces']} faces have no embedding"
        )
    emit(measured, table, json_to)
