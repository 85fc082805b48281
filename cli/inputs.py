"""Where the embeddings of an `eval-*` come from: a file, or a model and images; how a model is run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from nsface.cli.output import note_all
from nsface.cli.points import align_option
from nsface.cli.preprocessing import NAMES, preprocessing_options
from nsface.embeddings.file import Embeddings, load
from nsface.embeddings.overlap_record import overlap_notes
from nsface.names import renamed

if TYPE_CHECKING:
    from nsface.ranks import Ranks

_PREFIX = "nsface.name_prefix"  # where the context of a command keeps it
_EXTRACTION = (
    ("device", ["auto", "cpu", "cuda"], "auto", "Device of the network."),
    ("precision", ["auto", "fp32", "bf16"], "auto", "Number format of the network."),
    ("flip", ["none", "sum", "concat"], "sum", "How to use the embedding of the mirrored image."),
)


# what `network_options` gives a command besides `flip`: the arguments of `load_model`
LOADING = ("device", "precision", "preset", "preprocessing", "onnx_output")
# the parameters on the command line that these come from
PARAMETERS = (*(name for name, *_ in _EXTRACTION), "preset", *NAMES, "onnx_output")


@dataclass(frozen=True)
class Inputs:
    """The choice on the command line; nothing is read before `load`."""

    file: Path | None
    model: Path | None
    images: Path | None
    options: dict[str, Any]

    def load(
        self, template_of: Callable[[str], str | None] | None = None, ranks: Ranks | None = None
    ) -> Embeddings:
        """Read the embeddings file, or extract embeddings with the model; note people in training and test.

        Args:
            template_of: the template that an image of this name is pooled into while it is extracted, None to
                leave the image out; an embeddings file is read as it is.
            ranks: the processes that share the extraction, if there are several.
        """
        if self.file is not None:
            return load_embeddings(self.file)
        options = self.options if ranks is None else self.options | {"ranks": ranks}
        embeddings = self._extract(template_of, options)
        _notes(embeddings)
        return embeddings

    def _extract(
        self, template_of: Callable[[str], str | None] | None, options: dict[str, Any]
    ) -> Embeddings:
        from tqdm import tqdm

        from nsface.embeddings.extraction import extract
        from nsface.images.sources import open_source

        source, prefix = open_source(str(self.images)), given_prefix()
        with tqdm(total=len(source), unit=" images", disable=None) as bar:
            if template_of is None:
                made = extract(str(self.model), source, **options, progress=bar.update)
                note_all(made.notes)
                return made.embeddings.with_prefix(prefix) if prefix else made.embeddings
            names = renamed(source.names, prefix) if prefix else source.names
            templates = [template_of(name) for name in names]
            made = extract(str(self.model), source, **options, templates=templates, progress=bar.update)
            note_all(made.notes)
            return made.embeddings


def load_embeddings(file: Path) -> Embeddings:
    """Read an embeddings file, its names as --name-prefix says; note what makes its scores doubtful."""
    embeddings, prefix = load(file), given_prefix()
    if prefix:
        embeddings = embeddings.with_prefix(prefix)
    _notes(embeddings)
    return embeddings


def _notes(embeddings: Embeddings) -> None:
    note_zeros(embeddings)
    note_overlap(embeddings)


def note_overlap(embeddings: Embeddings) -> None:
    """Say on standard error what is known of people in the training set and in this test set."""
    note_all(overlap_notes(embeddings))


def note_zeros(embeddings: Embeddings) -> None:
    """Say on standard error what makes scores of the embeddings doubtful."""
    note_all(embeddings.notes())


def given_prefix() -> str:
    """What --name-prefix gives, '' where it is left out."""
    return str(click.get_current_context().meta.get(_PREFIX) or "")


def name_prefix_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --name-prefix, for the embeddings files that it loads with `load_embeddings`."""

    def keep(context: click.Context, option: click.Parameter, prefix: str | None) -> None:
        context.meta[_PREFIX] = prefix

    return click.option(
        "--name-prefix",
        metavar="PREFIX",
        callback=keep,
        expose_value=False,
        help="A folder, such as crops/, that begins the names on one side, embeddings or lists, and is "
        "missing on the other.",
    )(function)


def network_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of networks, as arguments of the names that `extract` has for them.

    They are --device, --precision, --flip, those of `preprocessing_options`, and --onnx-output.
    """

    @preprocessing_options
    @click.option("--onnx-output", metavar="NAME", help="The output of an ONNX file that has the embeddings.")
    @functools.wraps(function)
    def command(*args: Any, given: dict[str, Any], **kwargs: Any) -> Any:
        return function(*args, preprocessing=given, **kwargs)

    for name, choices, default, text in reversed(_EXTRACTION):
        option = click.option(
            f"--{name}", type=click.Choice(choices), default=default, show_default=True, help=text
        )
        command = option(command)
    return command


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
    @align_option
    @name_prefix_option
    @functools.wraps(function)
    def command(
        embeddings: Path | None, model: Path | None, images: Path | None, *args: Any, **kwargs: Any
    ) -> Any:
        options = {name: kwargs.pop(name) for name in (*LOADING, "flip", "align")}
        source = click.get_current_context().get_parameter_source
        given = any(source(name) is not ParameterSource.DEFAULT for name in (*PARAMETERS, "aligning"))
        if embeddings is None and (model is None or images is None):
            raise click.UsageError("give an embeddings file, or --model and --images")
        if embeddings is not None and (model is not None or images is not None or given):
            raise click.UsageError(
                "--model, --images and the options of networks, such as --device, do not go with EMBEDDINGS"
            )
        return function(*args, inputs=Inputs(embeddings, model, images, options), **kwargs)

    return command
