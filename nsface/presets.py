"""What a user says of the images that a network takes, where its file does not say it.

Nothing is guessed: a network that is given BGR for RGB, or another alignment, still gives embeddings, but
worse ones, and nobody notices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from nsface.arguments import unknown_name
from nsface.errors import NsfaceError, shown
from nsface.preprocessing import Preprocessing
from nsface.untrusted import first_fault

# what the authors' own scripts for inference do with 112×112 crops of the ArcFace template; a model of
# CVLface whose configuration says `color_space: BGR` takes BGR, and CVLface exchanges the channels itself
PRESETS = {
    "arcface_torch": Preprocessing(
        height=112, width=112, colour="RGB", mean=127.5, std=127.5, template="arcface"
    ),
    "adaface": Preprocessing(height=112, width=112, colour="BGR", mean=127.5, std=127.5, template="arcface"),
    "cvlface": Preprocessing(height=112, width=112, colour="RGB", mean=127.5, std=127.5, template="arcface"),
}
_OPTIONS = {
    "height": "--input-size",
    "width": "--input-size",
    "colour": "--colour",
    "mean": "--mean",
    "std": "--std",
    "template": "--template",
}


def completed_preprocessing(
    where: str, given: Mapping[str, Any], known: Mapping[str, Any], preset: str | None = None
) -> Preprocessing:
    """The preprocessing of a network, from the file itself and from what the user says of it.

    Args:
        where: the file, for messages.
        given: some fields of `Preprocessing`, from the user.
        known: some fields, from the file.
        preset: a key of `PRESETS`, for what neither says. Where the file says something else than the preset
            and the user names no value, it contradicts the file; a `template` that is given speaks for
            another size too.

    Raises:
        NsfaceError: there is no such preset, what is given or the preset contradicts the file, a value is out
            of its range, or something is still unknown.

    Example:
        >>> completed_preprocessing("r50.onnx", {"std": 128.0}, {}, "arcface_torch").std
        128.0
    """
    if preset is not None and preset not in PRESETS:
        raise NsfaceError(unknown_name("preset", preset, PRESETS))
    for name, value in given.items():
        if name in known and known[name] != value:
            raise NsfaceError(
                f"{shown(where)}: its {name} is {known[name]}, not {value}; leave out {_OPTIONS[name]}"
            )
    base = PRESETS[preset].model_dump() if preset else {}
    settled = {*given, *(("height", "width") if "template" in given else ())}
    for name, value in base.items():
        if preset and name not in settled and known.get(name, value) != value:
            raise NsfaceError(
                f"{shown(where)}: its {name} is {known[name]}, not {value} as --preset {preset} has it; "
                + _remedy(name, known)
            )
    fields = base | dict(known) | dict(given)
    if unknown := [name for name in Preprocessing.model_fields if name not in fields]:
        options = " ".join(dict.fromkeys(_OPTIONS[name] for name in unknown))
        raise NsfaceError(
            f"{shown(where)}: the file does not say the {', '.join(unknown)} of its images; give {options}, "
            f"or --preset {'|'.join(PRESETS)} if it comes from there"
        )
    try:
        return Preprocessing(**fields)
    except ValidationError as error:
        name, problem = first_fault(error)
        raise NsfaceError(f"{_OPTIONS.get(name, name)}: {problem}") from error


def _remedy(name: str, known: Mapping[str, Any]) -> str:
    """The end of a message about a preset that is not of the file."""
    if known.keys() >= Preprocessing.model_fields.keys():
        return "leave out --preset: the file says all that is needed"
    if name in ("height", "width"):
        return "give the --template of its faces beside --preset, or the options without it"
    return "leave out --preset, and give what is missing by the options beside it"
