"""Where the embeddings of an `eval-*` come from: a file, or a model and images."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nsface.embeddings.file import Embeddings, load

_EXTRACTION = ("device", "precision", "flip")


@dataclass(frozen=True)
class Inputs:
    """The choice on the command line; nothing is read before `load`."""

    file: Path | None
    model: Path | None
    images: Path | None
    options: dict[str, Any]

    def load(self) -> Embeddings:
        """Read the embeddings file, or extract embeddings with the model."""
        if self.file is not None:
            return load(self.file)
        from tqdm import tqdm

        from nsface.embeddings.extraction import extract
        from nsface.images.sources import open_source

        source = open_source(str(self.images))
        with tqdm(total=len(source), unit=" images", disable=None) as bar:
            return extract(str(self.model), source, progress=bar.update, **self.options).embeddings


def embeddings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command EMBEDDINGS or --model and --images with their options, as one argument `inputs`."""

    @click.argument("embeddings", type=click.Path(path_type=Path), required=False)
    @click.option(
        "--model", type=click.Path(path_type=Path), help="Extract with this model instead of EMBEDDINGS."
    )
    @click.option(
        "--images", type=click.Path(path_type=Path), help="Images for --model: folder, list or tar."
    )
    @click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where --model runs. [auto]")
    @click.option(
        "--precision", type=click.Choice(["auto", "fp32", "bf16"]), help="Arithmetic of --model. [auto]"
    )
    @click.option(
        "--flip", type=click.Choice(["none", "sum", "concat"]), help="What the mirror image adds. [sum]"
    )
    @functools.wraps(function)
    def command(
        embeddings: Path | None, model: Path | None, images: Path | None, *args: Any, **kwargs: Any
    ) -> Any:
        given = {name: kwargs.pop(name) for name in _EXTRACTION}
        options = {name: value for name, value in given.items() if value is not None}
        if embeddings is None and (model is None or images is None):
            raise click.UsageError("give an embeddings file, or --model and --images")
        if embeddings is not None and (model is not None or images is not None or options):
            raise click.UsageError(
                "--model, --images, --device, --precision and --flip do not go with EMBEDDINGS"
            )
        return function(*args, inputs=Inputs(embeddings, model, images, options), **kwargs)

    return command
