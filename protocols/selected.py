"""Models that were chosen among the states of their training by their score on a list."""

from __future__ import annotations

from nsface.embeddings.file import Embeddings
from nsface.embeddings.meta import SELECTED_ON
from nsface.errors import shown
from nsface.protocols.at_threshold import file_digest
from nsface.protocols.protocol import AnyPath


def selection_notes(embeddings: Embeddings, path: AnyPath) -> list[str]:
    """A sentence where the model of `embeddings` was chosen by the very list at `path`.

    Raises:
        DataError: the list cannot be read, which is done where a model was chosen by some list.
    """
    made = embeddings.meta.get("fused") or [embeddings.meta]
    digests = [part[SELECTED_ON] for part in made if SELECTED_ON in part]
    if not digests or file_digest(path) not in digests:
        return []
    return [
        f"{shown(path)}: the model was chosen among the states of its training by its accuracy on this very "
        "list: the score on it is too high"
    ]
