"""How values take the place of others in a recipe: those of its base, and those that overrides replace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nsface.errors import RecipeError, shown
from nsface.recipe.faults import brief
from nsface.recipe.length import LENGTHS
from nsface.recipe.own_size import own_size

Content = dict[str, Any]
Keys = tuple[str, ...]  # from the recipe inwards
# The key by which a section names what it is about, where that is not `name`, and the keys that stay when
# it names something else.
_NAMING: dict[Keys, str] = {("init",): "model", ("schedule",): "kind"}
_STAYING: dict[Keys, Keys] = {("network",): ("embedding_size", "mean_image"), ("schedule",): ("warmup",)}
# Sections that are a list, or one item of it.
_WHOLE: tuple[Keys, ...] = (("validate",),)
# The sections in which `epochs` and `iterations` exclude each other.
_WITH_LENGTH: tuple[Keys, ...] = ((), ("freeze",))
# Sections that are one value with a key of its own where they are no section, and that key.
_IN_SHORT: dict[Keys, str] = {("freeze",): "parts"}


def put(section: Content, parents: Keys, key: str, value: Any) -> None:
    """Put `value` in place of what stands under `key` in the `section` that lies under the keys `parents`.

    Another name drops the other keys of its section, which are arguments of what stood there, and a length
    in one unit drops the length in the other. The length of embeddings stays, but for a network that has one
    of its own.
    """
    if key == _naming(parents) and key in section and section[key] != value:
        kept = {other: section[other] for other in _STAYING.get(parents, ()) if other in section}
        if parents == ("network",) and own_size(value) is not None:
            kept.pop("embedding_size", None)
        section.clear()
        section.update(kept)
    if key in LENGTHS and parents in _WITH_LENGTH and value is not None:
        for other in LENGTHS:
            section.pop(other, None)
    section[key] = value


def override(content: Content, given: Mapping[str, Any]) -> None:
    """Put the values `given` by dotted key into `content`, each in place of all that stands under its key.

    Raises:
        RecipeError: a key lies in what is no section.
    """
    paths = {tuple(dotted.split(".")): value for dotted, value in given.items()}
    for *above, key in _names_first(paths):
        parents, section = tuple(above), content
        for parent in parents:
            if section.get(parent) is None:
                section[parent] = {}
            section = section[parent]
            if not isinstance(section, dict):
                raise RecipeError(shown(f"{'.'.join((*parents, key))}: {parent} holds a value, not keys"))
        put(section, parents, key, paths[(*parents, key)])
        _restore_lengths(section, parents, {path[-1]: paths[path] for path in paths if path[:-1] == parents})
    drop_batch_size(content, {path[0] for path in paths})


def merge(base: Content, own: Mapping[str, Any], place: Callable[[str], str], parents: Keys = ()) -> None:
    """Put the values of `own` into those of its `base`, section by section.

    A list takes the place of the base's list, and null that of whatever the base has, which is left out.

    Args:
        place: where `own` gives the value of a dotted key, for messages.
        parents: the keys under which both lie in the recipe.

    Raises:
        RecipeError: keys stand where the base has a value without keys.
    """
    for (key,) in _names_first([(key,) for key in own], parents):
        value, former = own[key], base.get(key)
        path = (*parents, key)
        added = isinstance(value, dict) and former is not None and path not in _WHOLE
        if value is None and former is not None:
            del base[key]
        elif added and isinstance(former, dict):
            merge(former, value, place, path)
        elif added and _IN_SHORT.get(path, _naming(path)) not in value:
            dotted = ".".join(map(str, path))
            fault = f"keys cannot be added to what the base has, {brief(former)}; give all of it"
            raise RecipeError(shown(f"{place(dotted)}: {dotted}: {fault}"))
        else:
            put(base, parents, key, value)
    _restore_lengths(base, parents, own)
    if not parents:
        drop_batch_size(base, own)


def drop_batch_size(content: Content, given: Iterable[str]) -> None:
    """Leave the size of the batch to a sampler that is `given` without one."""
    if "sampler" in given and "batch_size" not in given and content.get("sampler"):
        content.pop("batch_size", None)


def _restore_lengths(section: Content, parents: Keys, given: Mapping[str, Any]) -> None:
    """Put both lengths back where both are `given` at once, which is a fault: neither drops the other."""
    both = {unit: given[unit] for unit in LENGTHS if given.get(unit) is not None}
    if parents in _WITH_LENGTH and len(both) > 1:
        section.update(both)


def _naming(parents: Keys) -> str | None:
    """The key by which the section under `parents` names what it is about; None for the recipe itself."""
    return _NAMING.get(parents, "name") if parents else None


def _names_first(paths: Iterable[Keys], parents: Keys = ()) -> list[Keys]:
    """`paths` from the keys `parents` on, names before the arguments, which belong to them."""
    return sorted(paths, key=lambda path: path[-1] != _naming((*parents, *path[:-1])))
