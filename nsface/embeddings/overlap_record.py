"""What run folders record of people who are in both their training set and a test set."""

from __future__ import annotations

from pathlib import Path

from nsface.embeddings.file import Embeddings
from nsface.embeddings.identity_names import identity_of
from nsface.embeddings.overlap import names_digest
from nsface.embeddings.overlap_result import Overlap
from nsface.errors import DataError, listing, shown
from nsface.run_folder import OverlapEntry, RunFolder


def record_overlap(run: RunFolder, overlap: Overlap) -> None:
    """Write into the run folder how its training set was compared with a test set, and who was found.

    Identities that the recipe excludes, or holds out of the training, are left out. What was found before in
    other ways stays.

    Raises:
        DataError: no run has begun in the folder, or it was trained on identities that are not in the
            training set that was compared.
    """
    from nsface.images.sources import open_source

    if not run.is_run():
        raise DataError(
            f"{shown(run.path)}: not a run folder, there is no {run.recipe_file.name} in it; give a folder "
            "that `nsface train --out` made"
        )
    recipe, train = run.load_recipe(), overlap.train
    used = set(open_source(str(recipe.data)).identities) - {*recipe.exclude, *run.read_held_out()}
    missing = sorted(used - set(map(identity_of, train.names)))
    if missing:
        raise DataError(
            f"{shown(train.source)}: {len(missing)} of the {len(used)} identities that {shown(run.path)} was "
            f"trained on are not in it: {listing(missing, 3)}; extract the whole training set"
        )
    found_by = {way: sorted(used & set(found)) for way, found in overlap.found_by.items()}
    entry = OverlapEntry(
        images=len(overlap.test.names),
        found=sorted({identity for found in found_by.values() for identity in found}),
        found_by=found_by,
        threshold=overlap.threshold,
        pictures=overlap.pictures,
        model_digest=train.meta.get("model_digest"),
    )
    entries, digest = run.read_overlap(), names_digest(overlap.test.names)
    entries[digest] = entry.joined(entries.get(digest), used)
    run.write_overlap(entries)


def overlap_notes(embeddings: Embeddings) -> list[str]:
    """Sentences on people who may be in a test set and in the data that the model was trained on.

    There is one where the run that the model comes from was never compared with these images by embeddings,
    where people in both were kept, and where that cannot be known, since names without folders do not say who
    it is; and none where the model lies in no run folder.

    Args:
        embeddings: of a test set; their `meta` names the model, or the models that were fused.

    Raises:
        DataError: the record in the run folder cannot be read.
    """
    made = embeddings.meta.get("fused") or [embeddings.meta]
    folders = dict.fromkeys(Path(part["model"]).parent for part in made if part.get("model"))
    runs = [run for run in map(RunFolder, folders) if run.is_run()]
    return [sentence for run in runs for sentence in _notes_on(run, embeddings)]


def _notes_on(run: RunFolder, embeddings: Embeddings) -> list[str]:
    where = shown(run.path)
    command = f"`nsface overlap TRAIN.npz TEST.npz --threshold X --run {where}`"
    if embeddings.names and not any(map(identity_of, embeddings.names)):
        return [
            f"names such as {shown(embeddings.names[0])} do not say who it is: people who are in the "
            f"training data of {where} too cannot be found"
        ]
    entry = run.read_overlap().get(names_digest(embeddings.names))
    if entry is None:
        return [
            f"the training data of {where} were never checked for people who are in this test set; "
            f"{command} does"
        ]
    notes = []
    if "embeddings" not in entry.ways:
        notes.append(
            f"the training data of {where} were compared with this test set {entry.compared()}; {command} "
            "compares embeddings"
        )
    if entry.found:
        number = len(entry.found)
        who = "an identity that seems" if number == 1 else f"{number} identities that seem"
        notes.append(
            f"{where} was trained on {who} to be in this test set ({listing(entry.found, 3)}): scores may be "
            "too high"
        )
    return notes
