"""What a run folder knows of people in both its training set and a test set."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from nsface.cli.results import note
from nsface.embeddings.file import Embeddings
from nsface.embeddings.overlap import names_digest
from nsface.embeddings.overlap_record import RECORD, Entry, Way, read_record
from nsface.errors import DataError, listing, shown
from nsface.files import write_text


def record(
    run: Path,
    train: Embeddings,
    test: Embeddings,
    found: Mapping[Way, Iterable[str]],
    threshold: float | None,
) -> None:
    """Write into the run folder `run` that its training set was compared with `test`.

    Args:
        found: by each way in which they were compared, training identities that seem to be in the test set;
            less those the recipe excludes. What was found before by other ways stays.
        threshold: of embeddings.

    Raises:
        DataError: `run` is no run folder, or was trained on identities that are not in `train`.
    """
    from nsface.images.sources import open_source
    from nsface.recipe.schema import load_recipe

    if not os.path.isfile(run / "recipe.yaml"):
        raise DataError(f"{shown(run)}: not a run folder, there is no recipe.yaml in it")
    recipe = load_recipe(run / "recipe.yaml")
    used = set(open_source(str(recipe.data)).identities) - set(recipe.exclude)
    missing = sorted(used - {name.rpartition("/")[0] for name in train.names})
    if missing:
        raise DataError(
            f"{shown(train.source)}: {len(missing)} of the {len(used)} identities that {shown(run)} was "
            f"trained on are not in it: {listing(missing, 3)}; extract the whole training set"
        )
    found_by = {way: sorted(used & set(identities)) for way, identities in found.items()}
    entry = Entry(
        images=len(test.names),
        found=sorted({identity for identities in found_by.values() for identity in identities}),
        found_by=found_by,
        threshold=threshold,
        pictures="pictures" in found_by,
        model_digest=train.meta.get("model_digest"),
    )
    entries, digest = read_record(run), names_digest(test.names)
    entries[digest] = entry.joined(entries.get(digest), used)
    content = {key: value.model_dump(exclude_none=True) for key, value in entries.items()}
    write_text(run / RECORD, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def note_overlap(embeddings: Embeddings) -> None:
    """Say on standard error where the run that the embeddings' model comes from was never compared with these
    images by embeddings, or was and people in both were kept, or cannot be: names without folders do not say
    who it is. Nothing where the model lies in no run folder."""
    made = embeddings.meta.get("fused") or [embeddings.meta]
    for run in dict.fromkeys(Path(part["model"]).parent for part in made if part.get("model")):
        if not os.path.isfile(run / "recipe.yaml"):
            continue
        if embeddings.names and not any("/" in name for name in embeddings.names):
            note(
                f"names such as {shown(embeddings.names[0])} do not say who it is: people who are in the "
                f"training data of {shown(run)} too cannot be found"
            )
            continue
        entry = read_record(run).get(names_digest(embeddings.names))
        if entry is None:
            note(
                f"the training data of {shown(run)} were never checked for people who are in this test set; "
                f"`nsface overlap TRAIN.npz TEST.npz --threshold X --run {shown(run)}` does"
            )
            continue
        if "embeddings" not in entry.ways:
            note(
                f"the training data of {shown(run)} were compared with this test set {entry.compared()}; "
                f"`nsface overlap TRAIN.npz TEST.npz --threshold X --run {shown(run)}` compares embeddings"
            )
        if entry.found:
            number = len(entry.found)
            who = "an identity that seems" if number == 1 else f"{number} identities that seem"
            note(
                f"{shown(run)} was trained on {who} to be in this test set "
                f"({listing(entry.found, 3)}): scores may be too high"
            )
