"""`nsface import`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nsface.cli.output import emit, json_option, note_all, output_option, terminal_width, writable
from nsface.cli.preprocessing import preprocessing_options

if TYPE_CHECKING:
    from nsface.embeddings.probe import Probe
    from nsface.images.sources import Source


@click.command(name="import")
@click.argument("weights", metavar="WEIGHTS", type=click.Path(path_type=Path))
@output_option("Model file, .safetensors.", writable)
@preprocessing_options
@click.option("--network", metavar="NAME", help="The network that it must be; told from the tensors without.")
@click.option(
    "--probe", metavar="FACES", help="Aligned faces to try the preprocessing on: folder, list or tar."
)
@json_option
def command(
    weights: Path,
    output: Path,
    preset: str | None,
    given: dict[str, Any],
    network: str | None,
    probe: str | None,
    json_to: str | None,
) -> None:
    """Make a model file from WEIGHTS that others trained.

    WEIGHTS is a state dict of arcface_torch (iResNet), AdaFace or CVLface (IR), or of another network of
    nsface, alone or in a checkpoint, as PyTorch or safetensors. No code in it is executed. Network, depth and
    sizes come from the tensors, colour order and normalisation from --preset or the options beside it.

    --probe embeds a sample of FACES with the colour order, crop and normalisation that were chosen and with
    others, and says whether another choice does clearly better. Folders of FACES are people.

    \b
    Examples:
      nsface import backbone.pth --preset arcface_torch -o r50.safetensors
      nsface import adaface_ir101_webface12m.ckpt --preset adaface -o ada.safetensors --probe lfw/
      nsface import net.pth --colour rgb --mean 0 --std 255 --template sphereface -o net.safetensors
    """
    from nsface.importing import import_model

    faces = _opened(probe) if probe else None  # before anything is written
    imported = import_model(weights, output, preset=preset, network=network, **given)
    note_all(imported.notes)
    found = _probed(output, faces) if faces is not None else None
    result = {"model": str(output)} | imported.description.model_dump(mode="json")
    if found is not None:
        result["probe"] = found.to_json()
    emit(result, "\n".join([f"{output}: {imported.summary}", *_table(found)]), json_to)


def _opened(faces: str) -> Source:
    from nsface.images.sources import open_source

    return open_source(faces)


def _probed(model: Path, source: Source) -> Probe:
    from tqdm import tqdm

    from nsface.embeddings.model import load_model
    from nsface.embeddings.probe import probe

    with tqdm(desc="probing", unit=" choices", disable=None) as bar:
        return probe(load_model(model), source, bar.update)


def _table(found: Probe | None) -> list[str]:
    """The choices side by side, and the verdict."""
    from nsface.embeddings.probe import by_channel
    from nsface.results.text import columns, percent, wrapped

    if found is None:
        return []
    rows: list[Sequence[str]] = [
        ("images", "mean / std", "mirrored", "same", "others", "separation", "difference")
    ]
    for one in found.choices:
        genuine = "–" if one.genuine is None else f"{one.genuine:.3f}"
        change = "chosen" if one.difference is None else f"{one.difference:+.2f} ± {one.standard_error:.2f}"
        images = f"{one.colour} {one.crop}", f"{by_channel(one.mean)} / {by_channel(one.std)}"
        scores = percent(one.mirrored, 1), genuine, f"{one.impostor:.3f}", f"{one.separation:.2f}"
        rows.append((*images, *scores, change))
    width = terminal_width()
    lines = [f"{found.images} faces, two of each of {found.people} people", columns(rows, width=width)]
    return ["", *lines, "", wrapped(found.verdict, width, 0)]
