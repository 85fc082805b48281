"""How embeddings were made: whether a threshold, or a gallery, fits them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsface.embeddings.meta import POOLING
from nsface.errors import shown

# what must be the same, where both sides say it
DECISIVE = {
    "model_digest": "model",
    "preprocessing": "preprocessing",
    "flip": "flip mode",
    "pooling": "pooling",
}


def provenance(meta: Mapping[str, Any]) -> dict[str, Any]:
    """How embeddings were made, as the fields of `Threshold` say it; None where `meta` does not.

    Of fused embeddings it is what all parts have in common, and the models and digests of all, joined by +.
    """
    parts = meta.get("fused") or [meta]
    found: dict[str, Any] = {}
    for key, kind in (("model", str), ("model_digest", str), ("precision", str), ("preprocessing", dict)):
        values = [part.get(key) for part in parts]
        if not all(isinstance(value, kind) for value in values):
            found[key] = None
        elif all(value == values[0] for value in values):
            found[key] = values[0]
        else:
            found[key] = " + ".join(values) if kind is str else None
    alignment, fitted = meta.get("alignment"), meta.get("fitted_from")
    found["alignment"] = alignment if isinstance(alignment, dict) else None
    found["fitted_from"] = tuple(map(str, fitted)) if isinstance(fitted, list) else None
    return found | {"flip": meta.get("flip"), "pooling": meta.get(POOLING)}


def crop_difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[str, str] | None:
    """How the faces of two sets were cropped, in words; None where nothing is known to differ.

    Scores depend on it although model and preprocessing are the same: what is beside the face, and where
    exactly the five points are, is in the embedding.

    Args:
        there, here: what `provenance` says, or the fields of a `Threshold`.
    """
    if _crop(there) == _crop(here):
        return None
    return _in_words(there), _in_words(here)


def _crop(made: Mapping[str, Any]) -> tuple[Any, ...]:
    alignment = made["alignment"] or {}
    size = alignment.get("size")
    sides = list(size) if isinstance(size, list | tuple) else size
    return (*(alignment.get(key) for key in ("template", "detector")), sides, made["fitted_from"])


def _in_words(made: Mapping[str, Any]) -> str:
    alignment = made["alignment"]
    text = "images of unknown alignment"
    if alignment:
        by = "points from a file" if alignment.get("detector") == "landmarks" else alignment.get("detector")
        text = f"images aligned by {shown(by)} to template {shown(alignment.get('template'))}"
    fitted = made["fitted_from"]
    return f"{text}, padded or cut from {shown(', '.join(fitted))}" if fitted else text
