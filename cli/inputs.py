"""Where the embeddings of an `eval-*` come from: a file, or a model and images; how a model is run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from nsface.cli.overlap_record import note_overlap
from nsface.embeddings.file import Embeddings, load

_EXTRACTION = (
    ("device", ["auto", "cpu", "cuda"], "auto", "Where the network runs."),
    ("precision", ["auto", "fp32", "bf16"], "auto", "Arithmetic of the network."),
    ("flip", ["none", "sum", "concat"], "sum", "What the mirrored image's embedding is used for."),
)


@dataclass(frozen=True)
class Inputs:
    """The choice on the command line; nothing is read before `load`."""

    file: Path | None
    model: Path | None
    images: Path | None
    options: dict[str, Any]

    def load(self, template_of: Callable[[str], str | None] | None = None) -> Embeddings:
        """Read the embeddings file, or extract embeddings with the model; note people in training and test.

        Args:
            template_of: the template that an image of this name is pooled into while it is extracted, None to
                leave the image out; an embeddings file is read as it is.
        """
        embeddings = load(self.file) if self.file is not None else self._extract(template_of)
        note_overlap(embeddings)
        return embeddings

    def _extract(self, template_of: Callable[[str], str | None] | None) -> Embeddings:
        from tqdm import tqdm

        from nsface.embeddings.extraction import extract
        from nsface.images.sources import open_source

        source = open_source(str(self.images))
        with tqdm(total=len(source), unit=" images", disable=None) as bar:
            templates = [template_of(name) for name in source.names] if template_of else None
            options = self.options | {"templates": templates, "progress": bar.update}
            return extract(str(self.model), source, **options).embeddings


def network_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --device, --precision and --flip, as arguments of these names."""
    for name, choices, default, text in reversed(_EXTRACTION):
        option = click.option(
            f"--{name}", type=click.Choice(choices), default=default, show_default=True, help=text
        )
        function = option(function)
    return function


def embeddings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command EMBEDDINGS or --model and --images with their options, as one argument `inputs`."""

    @click.argument("embeddings", type=click.Path(path_type=Path), required=False)
    @click.option(
        "--model", type=click.Path(path_type=Path), help="Extract with this model instead of EMBEDDINGS."
    )
    @click.option(
        "--images", type=click.Path(path_type=Path), help="Images for --model: folder, list or tar."
    )
    @network_options
    @functools.wraps(function)
    def command(
        embeddings: Path | None, model: Path | None, images: Path | None, *args: Any, **kwargs: Any
    ) -> Any:
        options = {name: kwargs.pop(name) for name, *_ in _EXTRACTION}
        source = click.get_current_context().get_parameter_source
        given = any(source(name) is not ParameterSource.DEFAULT for name in options)
        if embeddings is None and (model is None or images is None):
            raise click.UsageError("give an embeddings file, or --model and --images")
        if embeddings is not None and (model is not None or images is not None or given):
            raise click.UsageError(
                "--model, --images, --device, --precision and --flip do not go with EMBEDDINGS"
            )
        return function(*args, inputs=Inputs(embeddings, model, images, options), **kwargs)

    return command
