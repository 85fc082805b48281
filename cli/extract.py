"""`nsface extract`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command(name="extract")
@click.argument("model", metavar="MODEL", type=click.Path())
@click.argument("images", metavar="IMAGES")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    required=True,
    help="FILE.npz, or .npy.",
)
@click.option(
    "--flip",
    type=click.Choice(["none", "sum", "concat"]),
    default="sum",
    show_default=True,
    help="What the mirrored image's embedding is used for.",
)
@click.option("--skip-bad", is_flag=True, help="Leave out unreadable images, and name them.")
@click.option("--batch-size", metavar="N", type=click.IntRange(1), default=128, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto", show_default=True)
def command(model: str, images: str, output: Path, **options: Any) -> None:
    """Embed IMAGES with MODEL and write an embeddings file.

    IMAGES is a folder, a tar, a list of paths, or - for paths on standard input. Size, colour order and
    normalisation come from the model; images of another size are refused.

    \b
    Examples:
      nsface extract runs/noisy/model.safetensors lfw/ -o lfw.npz
      find faces -name '*.jpg' | nsface extract model.safetensors - -o faces.npz
    """
    from tqdm import tqdm

    from nsface.embeddings import save
    from nsface.embeddings.extraction import extract
    from nsface.embeddings.file import check_target
    from nsface.images.sources import open_source

    check_target(output)
    source = open_source(images)
    with tqdm(total=len(source), desc="extracting", unit=" images", disable=None) as bar:
        embeddings, bad = extract(model, source, progress=bar.update, **options)
    save(output, embeddings)
    for reason in bad:
        click.echo(f"skipped {reason}", err=True)
    skipped = f", {len(bad)} skipped" if bad else ""
    click.echo(
        f"{output}: {len(embeddings.names)} embeddings of size {embeddings.vectors.shape[1]}{skipped}",
        err=True,
    )
