"""How embeddings were made: the JSON object beside them, and what nsface reads of it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from nsface.errors import DataError, shown
from nsface.untrusted import first_fault, parse_json

# Keys of a file that holds templates: how they were pooled, and a list with the number of images behind each.
POOLING, FRAMES = "pooling", "frames_per_template"
# The key for the SHA-256 of the list by which the model was chosen among the states of its training.
SELECTED_ON = "selected_on"


class _Part(BaseModel):
    """What one network's embeddings say; other keys may stand beside these."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str | None = None
    model_digest: str | None = None
    flip: str | None = None


class _Meta(_Part):
    fused: list[_Part] | None = None
    pooling: str | None = None
    frames_per_template: list[NonNegativeInt] | None = None


def parse_meta(text: str | bytes, where: str) -> dict[str, Any]:
    """The meta data in a JSON text, as they stand there.

    Args:
        where: what to call it in messages.

    Raises:
        DataError: no JSON object, or one whose keys are not what nsface writes under them.
    """
    meta = parse_json(text, where)
    if not isinstance(meta, dict):
        raise DataError(f"{shown(where)}: not a JSON object; leave it out, or extract the embeddings again")
    if FRAMES in meta and POOLING not in meta:
        raise DataError(f"{shown(where)}: '{FRAMES}' without '{POOLING}'; extract the embeddings again")
    try:
        _Meta.model_validate(meta)
    except ValidationError as error:
        place, problem = first_fault(error)
        raise DataError(
            f"{shown(where)}: '{place}' is not what `nsface extract` writes ({problem.lower()}); "
            "leave it out, or extract the embeddings again"
        ) from error
    return meta
