"""`nsface export`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nsface.cli.output import emit, json_option, note_all, terminal_width, writable
from nsface.errors import DataError, DoubtfulResult, ModelError, shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nsface.embeddings.model import Model
    from nsface.results import VerificationComparison

_FACES = 256  # at most, for calibration and for the check
_NOISE = 32
_TOLERANCE = 1e-5
_BATCH = 32
PATH = click.Path(path_type=Path)


@click.command(name="export")
@click.argument("model", type=PATH)
@click.argument("output", metavar="OUT.onnx", type=PATH, callback=writable)
@click.option(
    "--opset",
    type=click.IntRange(18, 21),
    default=18,
    show_default=True,
    help="Version of ONNX's operators.",
)
@click.option(
    "--with-preprocessing",
    is_flag=True,
    help="The graph takes RGB pixels from 0 to 255, and normalises them.",
)
@click.option("--int8", is_flag=True, help="Write convolutions and matrix products in 8 bits.")
@click.option(
    "--calibration-images",
    "calibration",
    metavar="FACES",
    help="Images for --int8, whose activations set the range of each layer.",
)
@click.option(
    "--check", metavar="FACES", help="Compare embeddings of these images with PyTorch's, not of noise."
)
@click.option(
    "--pairs", type=PATH, help="LFW's pairs.txt: also compare the accuracy on the images of --check."
)
@json_option
def command(
    model: Path,
    output: Path,
    opset: int,
    with_preprocessing: bool,
    int8: bool,
    calibration: str | None,
    check: str | None,
    pairs: Path | None,
    json_to: str | None,
) -> None:
    """Write the network of MODEL, a model file of nsface, as an ONNX file.

    The file takes batches of any size and says in its metadata which images it takes, so that `nsface
    extract` needs no options for it. Its embeddings are compared with those of PyTorch before it is written;
    a file of floats that differs by a cosine distance of more than 1e-5 is not written.

    \b
    Examples:
      nsface export runs/a/model.safetensors a.onnx --check lfw/
      nsface export model.safetensors a.onnx --with-preprocessing
      nsface export model.safetensors a8.onnx --int8 --calibration-images train/
    """
    if int8 != (calibration is not None):
        raise click.UsageError("--int8 and --calibration-images go together")
    if pairs is not None and check is None:
        raise click.UsageError("--pairs needs --check, the images of the pairs")
    from nsface.embeddings.model import load_model
    from nsface.files import replacing
    from nsface.onnx.export import to_onnx
    from nsface.onnx.file import require_packages
    from nsface.onnx.quantise import quantised

    require_packages(output)
    network = load_model(model, device="cpu", precision="fp32")
    if network.description is None:
        raise ModelError(f"{shown(model)}: an ONNX file already")
    made = to_onnx(
        network.network, network.description, network.digest, opset=opset, pixels=with_preprocessing
    )
    if calibration is not None:
        made = quantised(made, _inputs(network, _faces(calibration, network), with_preprocessing))
    comparison = None
    with replacing(output) as temporary:
        temporary.write_bytes(made.SerializeToString())
        exported = load_model(temporary, device="cpu")
        distances = _distances(network, exported, check)
        if not int8 and distances.max() > _TOLERANCE:
            raise ModelError(
                f"{shown(output)}: not written: its embeddings differ from those of PyTorch by a cosine "
                f"distance of {distances.max():.2g}"
            )
        if pairs is not None:
            comparison = _compared(network, exported, str(check), pairs)
    _report(network, exported, output, check, distances, comparison, json_to)


def _faces(location: str, network: Model) -> npt.NDArray[np.uint8]:
    """Images spread evenly over those in `location`, N × H × W × 3."""
    import numpy as np

    from nsface.images.fitting import Fit
    from nsface.images.pixels import read_image
    from nsface.images.sources import open_source

    source, size = open_source(location), network.input
    if not len(source):
        raise DataError(f"{shown(location)}: no images")
    fit = Fit(size)
    chosen = np.unique(np.linspace(0, len(source) - 1, _FACES).round().astype(int))
    faces = np.stack([read_image(source, int(index), size.height, size.width, fit) for index in chosen])
    note_all(fit.notes(location))
    return faces


def _inputs(network: Model, faces: npt.NDArray[np.uint8], pixels: bool) -> Iterator[npt.NDArray[np.float32]]:
    """Batches of what the exported graph takes of `faces`."""
    from nsface.embeddings.model import channels_first

    for start in range(0, len(faces), _BATCH):
        images = channels_first(faces[start : start + _BATCH]).float()
        yield (images if pixels else network.input.normalise(images)).contiguous().numpy()


def _distances(network: Model, exported: Model, check: str | None) -> npt.NDArray[np.float64]:
    """The cosine distance of the two embeddings of each image, of `check` or of noise."""
    import numpy as np

    from nsface.vectors import unit

    if check is not None:
        images = _faces(check, network)
    else:
        shape = (_NOISE, network.input.height, network.input.width, 3)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    first, second = (
        unit(one.embed(images, flip="none", batch_size=_BATCH).astype(np.float64))
        for one in (network, exported)
    )
    return np.asarray(np.maximum(0, 1 - (first * second).sum(axis=1)))


def _compared(network: Model, exported: Model, faces: str, pairs: Path) -> VerificationComparison:
    """Both networks on LFW's pairs, the exported one second."""
    from tqdm import tqdm

    from nsface.embeddings.extraction import extract
    from nsface.evaluate import compare
    from nsface.images.sources import open_source

    source = open_source(faces)
    systems = []
    for model, name in ((network, "PyTorch"), (exported, "exported")):
        with tqdm(total=len(source), desc=name, unit=" images", disable=None) as bar:
            systems.append(extract(model, source, progress=bar.update).embeddings)
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always", DoubtfulResult)
        found = compare(systems[0], systems[1], "lfw", pairs=pairs)
    note_all(dict.fromkeys(str(doubt.message) for doubt in doubts))
    return found.named("PyTorch", "exported")


def _report(
    network: Model,
    exported: Model,
    output: Path,
    check: str | None,
    distances: npt.NDArray[np.float64],
    comparison: VerificationComparison | None,
    json_to: str | None,
) -> None:
    precision = exported.calculation["precision"]
    images = f"{len(distances)} images of {check or 'noise'}"
    table = [
        f"{output}: {precision}, images of {network.input.size} (height × width), embeddings of size "
        f"{network.embedding_size}",
        f"  cosine distance to PyTorch on {images}: {distances.max():.2g} at most, "
        f"{distances.mean():.2g} on average",
    ]
    content: dict[str, Any] = {
        "model": network.path,
        "model_digest": network.digest,
        "output": str(output),
        "precision": precision,
        "images": len(distances),
        "checked_on": check or "noise",
        "cosine_distance": {"max": float(distances.max()), "mean": float(distances.mean())},
    }
    if comparison is not None:
        content["comparison"] = comparison.to_json()
        table.append(comparison.table(terminal_width()))
    emit(content, "\n".join(table), json_to)
