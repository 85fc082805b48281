"""The text of recipes: YAML, read within work bounded by its size, and written so that it reads back."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import lru_cache
from typing import Any

import yaml

from nsface.errors import RecipeError

# a key at the beginning of a line, and all lines below it that are indented, or items of its list; nothing in
# them that could be an alias, an anchor, a tag, a comment or a text of several lines
_BLOCK = re.compile(r"[a-z_]+:[^&*!#|>\n]*\n(?:[ -][^&*!#|>\n]*\n)*")
_BLOCKS = re.compile(f"(?:{_BLOCK.pattern})+")
ALIASED_VALUES = 10_000  # values that aliases of a recipe may add to those written out
# what PyYAML raises; for values such as `!!bool x`, `!!int ''` and 2000-99-99 they are not its own errors
_YAML_ERRORS = (
    yaml.YAMLError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)


class _Loader(yaml.SafeLoader):
    """YAML whose numbers are what they look like: `1e-3` is a number too, as in YAML 1.2; and no dates."""


class Dumper(yaml.SafeDumper):
    """Text that `_Loader`, or YAML 1.1, would take for a number is quoted."""


_FLOAT = "tag:yaml.org,2002:float"
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag not in (_FLOAT, "tag:yaml.org,2002:timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind in (_Loader, Dumper):
    _kind.add_implicit_resolver(
        _FLOAT,
        re.compile(
            r"^[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"
        ),
        list("-+0123456789."),
    )


def read_yaml(text: str, aliased: int = ALIASED_VALUES) -> tuple[yaml.Node | None, Any]:
    """The root node of a YAML document, which knows lines, and its value.

    Args:
        aliased: values that aliases may add to those written out.

    Raises:
        RecipeError: not YAML, nested too deep, text that cannot be written, or aliases that stand for far
            more values than the document has.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, None
        sizes: dict[int, int] = {}
        if _number_of_values(node, sizes) > len(sizes) + aliased:
            raise RecipeError(f"not valid YAML (aliases stand for more than {aliased:,} values)")
        return node, loader.construct_document(node)
    except _YAML_ERRORS as error:
        raise RecipeError(_problem(error)) from error


def read_resolved(text: str, aliased: int = ALIASED_VALUES) -> Any:
    """The value of the YAML of a resolved recipe: that of `read_yaml`, sooner where many are alike.

    What `Recipe.to_yaml` writes is a block a key, without aliases. Each block is read by itself, and once:
    the recipes of many runs have most blocks in common.

    Raises:
        RecipeError: as `read_yaml`.
    """
    if not _BLOCKS.fullmatch(text):
        return read_yaml(text, aliased)[1]
    values: dict[str, Any] = {}
    try:
        for block in _BLOCK.findall(text):
            values |= deepcopy(_read_block(block))
    except RecipeError:
        return read_yaml(text, aliased)[1]  # whose message has the line
    return values


@lru_cache(maxsize=1000)
def _read_block(text: str) -> dict[str, Any]:
    values = read_yaml(text)[1]
    if not isinstance(values, dict):  # such as `a:b`, which is text
        raise RecipeError("no key and value")
    return values


def dotted(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted key: those of dictionaries within `values` too."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def parse_value(text: str) -> Any:
    """A value given on the command line, read as YAML would: `0.1`, `true`, `[8, 12]`, `null`, `name`."""
    try:
        return read_yaml(text)[1]
    except RecipeError as error:
        raise RecipeError(f"cannot read the value {text[:80]!r}: {error}") from error


def parse_setting(text: str) -> tuple[str, Any]:
    """The dotted key and the value of a setting given on the command line.

    Raises:
        RecipeError: it is not KEY=VALUE, or the value cannot be read.

    Example:
        >>> parse_setting("schedule.warmup=2")
        ('schedule.warmup', 2)
    """
    key, equals, value = text.partition("=")
    if not equals or not all(key.split(".")):
        raise RecipeError(f"--set {text}: write it as KEY=VALUE, such as --set schedule.warmup=2")
    return key, parse_value(value)


def _number_of_values(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Number of values that `node` stands for, all aliases written out; `sizes` keeps those of its parts."""
    known = sizes.get(id(node))
    if known is not None:
        if not known:
            raise yaml.MarkedYAMLError(problem="it contains itself", problem_mark=node.start_mark)
        return known
    sizes[id(node)] = 0  # not finished
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    else:
        try:
            node.value.encode("utf-8", "surrogateescape")  # bytes of paths that are not UTF-8 may stand there
        except UnicodeEncodeError as error:
            problem = "half a surrogate pair, which is no text"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error
    sizes[id(node)] = size = 1 + sum(_number_of_values(part, sizes) for part in parts)
    return size


def _problem(error: Exception) -> str:
    """What the parser stumbled over, and on which line."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    if isinstance(error, RecursionError):
        return "not valid YAML (nested too deep)"
    return f"{where}not valid YAML ({getattr(error, 'problem', None) or error})"
