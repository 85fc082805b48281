"""What a run folder knows of people in both its training set and a test set."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nsface.cli.results import note
from nsface.embeddings.file import Embeddings
from nsface.embeddings.overlap import names_digest
from nsface.errors import DataError, listing
from nsface.files import write_text

RECORD = "overlap.json"


def record(run: Path, train: Embeddings, test: Embeddings, found: Iterable[str], by: dict[str, Any]) -> None:
    """Write into the run folder `run` that its training set was compared with `test`.

    Args:
        found: training identities that seem to be in the test set; less those the recipe excludes.
        by: how it was decided.

    Raises:
        DataError: `run` is no run folder, or was trained on identities that are not in `train`.
    """
    from nsface.images.sources import open_source
    from nsface.recipe import load_recipe

    if not (run / "recipe.yaml").is_file():
        raise DataError(f"{run}: not a run folder, there is no recipe.yaml in it")
    recipe = load_recipe(run / "recipe.yaml")
    used = set(open_source(str(recipe.data)).identities) - set(recipe.exclude)
    missing = sorted(used - {name.rpartition("/")[0] for name in train.names})
    if missing:
        raise DataError(
            f"{train.source}: {len(missing)} of the {len(used)} identities that {run} was trained on are "
            f"not in it: {listing(missing, 3)}; extract the whole training set"
        )
    entry = {"images": len(test.names), "found": sorted(used & set(found)), **by}
    entries = _read(run) | {names_digest(test.names): entry}
    write_text(run / RECORD, json.dumps(entries, indent=2, ensure_ascii=False) + "\n")


def note_overlap(embeddings: Embeddings) -> None:
    """Say on standard error where the run that the embeddings' model comes from was never compared with these
    images, or was and people in both were kept, or cannot be: names without folders do not say who it is.
    Nothing where the model lies in no run folder."""
    made = embeddings.meta.get("fused") or [embeddings.meta]
    for run in dict.fromkeys(Path(part["model"]).parent for part in made if part.get("model")):
        if not (run / "recipe.yaml").is_file():
            continue
        if not any("/" in name for name in embeddings.names):
            note(
                f"names such as {embeddings.names[0]} do not say who it is: people who are in the training "
                f"data of {run} too cannot be found"
            )
            continue
        entry = _read(run).get(names_digest(embeddings.names))
        if entry is None:
            note(
                f"the training data of {run} were never checked for people who are in this test set; "
                f"`nsface overlap TRAIN.npz TEST.npz --run {run}` does"
            )
        elif entry["found"]:
            note(
                f"{run} was trained on {len(entry['found'])} identities that seem to be in this test set "
                f"({listing(entry['found'], 3)}): scores may be too high"
            )


def _read(run: Path) -> dict[str, Any]:
    """What is recorded, by the digest of the test set's names.

    Raises:
        DataError: a damaged record.
    """
    try:
        content = json.loads((run / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{run / RECORD}: not a record of nsface overlap; remove it") from error
    if not isinstance(content, dict):
        raise DataError(f"{run / RECORD}: not a record of nsface overlap; remove it")
    return content
