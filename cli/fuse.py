"""`nsface fuse`."""

from __future__ import annotations

from pathlib import Path

import click

from nsface.cli.inputs import note_zeros
from nsface.cli.output import output_option, say
from nsface.embeddings.file import check_target, load, save
from nsface.embeddings.fusion import fuse


@click.command(name="fuse")
@click.argument("files", metavar="FILE FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@output_option("Embeddings file, .npz or .npy.")
def command(files: tuple[Path, ...], output: Path) -> None:
    """Normalise the embeddings in several files of the same images, and concatenate them.

    The files must name the same images, in any order; image extensions may differ or be missing.

    \b
    Example:
      nsface fuse noisy.npz softmax.npz -o ensemble.npz
    """
    if len(files) < 2:
        raise click.UsageError("give two or more embeddings files")
    check_target(output)
    systems = [load(file) for file in files]
    for system in systems:
        note_zeros(system)
    made = fuse(systems)
    save(output, made)
    count, size = made.vectors.shape
    say(f"{output}: {count} embeddings of size {size} from {len(files)} files")
