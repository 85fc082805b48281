"""`nsface eval-all`: every protocol whose lists lie in a folder, on one system or on two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from click.core import ParameterSource
from tqdm import tqdm

from nsface.cli.evaluate import PATH, progress_bars
from nsface.cli.inputs import (
    LOADING,
    PARAMETERS,
    given_prefix,
    load_embeddings,
    name_prefix_option,
    network_options,
    note_overlap,
    note_zeros,
)
from nsface.cli.output import command_line, emit_result, json_option, note_all, page_file, say
from nsface.embeddings.file import Embeddings
from nsface.embeddings.kind import is_model
from nsface.errors import shown
from nsface.files import write_text
from nsface.images.sources import BinSource, Source, open_source
from nsface.images.sources.part import PartSource
from nsface.names import renamed, stem_key
from nsface.protocols.all_protocols import score
from nsface.protocols.planning import Planned, System, plan, system_of
from nsface.results.comparison import system_names

if TYPE_CHECKING:
    from nsface.embeddings.model import Model


@click.command(name="eval-all")
@click.argument("system", metavar="EMBEDDINGS|MODEL", type=PATH)
@click.option(
    "--lists", type=PATH, required=True, metavar="DIR", help="The folder with the lists of benchmarks."
)
@click.option("--images", type=PATH, help="Images for a MODEL: folder, list or tar.")
@click.option("--against", type=PATH, metavar="OTHER", help="Compare with these embeddings, or this model.")
@click.option(
    "-o", "--output", type=PATH, metavar="FILE", callback=page_file, help="Write an HTML card of all scores."
)
@network_options
@name_prefix_option
@json_option
def command(
    system: Path,
    lists: Path,
    images: Path | None,
    against: Path | None,
    output: Path | None,
    json_to: str | None,
    **options: Any,
) -> None:
    """Score EMBEDDINGS, or a MODEL on its images, by every protocol whose lists are in a folder.

    Lists are known by their content and may lie in folders below: LFW View 1 and View 2, FGLFW, CALFW, CPLFW,
    YouTube Faces, LFW identification (people.txt and the 596 names, or folders of trials), BLUFR, IJB, your
    own pairs, and InsightFace .bin sets, which need a model. A list of which one image is missing is not
    scored, and the table says what is missing. A model embeds its images once, after all lists were checked.

    \b
    Examples:
      nsface eval-all lfw.npz --lists benchmarks/
      nsface eval-all model.safetensors --images lfw/ --lists benchmarks/ -o card.html
      nsface eval-all noisy.npz --lists benchmarks/ --against softmax.npz --json all.json
    """
    if output and json_to == str(output):
        raise click.UsageError("--output and --json are one file; give two")
    paths = [system, *([against] if against else [])]
    models = [is_model(path) for path in paths]
    _check_options(any(models), images)
    names = system_names(str(system), str(against)) if against else (str(system),)
    opened: list[System] = []
    extractions: list[Extraction] = []
    for path, model, name in zip(paths, models, names, strict=True):
        if model:
            extractions.append(Extraction(path, images, options))
            opened.append(System(name, extractions[-1].names, True, extractions[-1].embeddings))
        else:
            opened.append(system_of(load_embeddings(path), name))
    made = plan(lists, opened[0])
    note_all(made.notes)
    for extraction in extractions:
        extraction.embed(made.planned)
    with progress_bars() as start:
        result = score(made, opened[0], opened[1] if against else None, start, note_all)
    if output:
        from nsface.report.card import render

        write_text(output, render(result, command_line()))
        say(f"card written to {output}")
    emit_result(result, json_to)


def _check_options(model: bool, images: Path | None) -> None:
    source = click.get_current_context().get_parameter_source
    given = [name for name in PARAMETERS if source(name) is not ParameterSource.DEFAULT]
    if not model and (images is not None or given):
        option = "images" if images is not None else given[0].replace("_", "-")
        raise click.UsageError(f"--{option} goes with a model, not with embeddings")


class Extraction:
    """The embeddings of a model: of the images that any protocol needs one of, all at once; of frames and of
    the images of a .bin set, when it is their turn.

    Attributes:
        names: of the images, with vectors that hold nothing yet.
    """

    def __init__(self, model: Path, images: Path | None, options: dict[str, Any]) -> None:
        self._path, self._flip = model, options["flip"]
        self._loading = {name: options[name] for name in LOADING}
        self._source = open_source(str(images)) if images else None
        found, prefix = self._source.names if self._source else [], given_prefix()
        names = renamed(found, prefix) if prefix else list(found)
        self.names = Embeddings(names, np.empty((len(names), 0), np.float32), {}, str(images or model))
        self._made: Embeddings | None = None
        self._overlap_noted = False

    def embed(self, planned: Sequence[Planned]) -> None:
        """Extract the embeddings of all images that are needed, once."""
        wanted = {stem_key(name) for one in planned for name in one.needed(self.names)}
        indices = [index for index, name in enumerate(self.names.names) if stem_key(name) in wanted]
        if self._source and indices:
            made = self._extracted(PartSource(self._source, indices))
            self._made = replace(made, names=[self.names.names[index] for index in indices])

    def embeddings(self, one: Planned) -> Embeddings:
        """Those that the lists need."""
        if one.protocol.carries_images:
            return self._extracted(BinSource(one.found.lists[0]))
        template_of = one.protocol.template_of(one.lists)
        if template_of and self._source:
            return self._extracted(self._source, templates=[template_of(name) for name in self.names.names])
        if self._made is None:
            raise AssertionError(f"{one.title} was planned without its images")
        return self._made

    @cached_property
    def _model(self) -> Model:
        from nsface.embeddings.model import load_model

        return load_model(self._path, **self._loading)

    def _extracted(self, source: Source, **how: Any) -> Embeddings:
        from nsface.embeddings.extraction import extract

        with tqdm(
            total=len(source), unit=" images", desc=shown(Path(source.location).name), disable=None
        ) as bar:
            made = extract(self._model, source, flip=self._flip, progress=bar.update, **how)
        note_all(made.notes)
        embeddings = made.embeddings
        if not self._overlap_noted:  # once: what it says of the model is the same for all images
            note_overlap(embeddings)
            self._overlap_noted = True
        note_zeros(embeddings)
        return embeddings
