"""The recipe: a typed, validated description of a training run, read from YAML.

    recipe = load_recipe("recipes/lfw-small.yaml", {"head.alpha2": 0.05, "seed": 3})

Unknown keys, wrong types and impossible values are refused, each named with file, line and key.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nsface.device import DeviceChoice, PrecisionChoice
from nsface.errors import RecipeError
from nsface.files import reason
from nsface.images.augment import Augmentation
from nsface.model import Preprocessing


class Section(BaseModel):
    """A part of a recipe: keys it does not know and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Named(Section):
    """A network or head by name; further keys are its arguments."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class NetworkChoice(Named):
    embedding_size: int = Field(default=512, ge=1)


class Optimizer(Section):
    """Stochastic gradient descent. Weight decay spares biases, normalisation and PReLU slopes.

    Attributes:
        clip_norm: the gradient of all weights together is scaled down to this L2 norm; null: as it is.
    """

    learning_rate: float = Field(default=0.1, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(default=5e-4, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)


class Schedule(Section):
    """How the learning rate changes; times are in the recipe's unit (epochs, or iterations).

    Attributes:
        kind: "step" multiplies by `factor` at each of `milestones`; "poly" falls as (1 − t)^power and
            "cosine" as (1 + cos πt)/2, t the share of the run after the warm-up.
        warmup: the rate first rises linearly from 0 over this time.
    """

    kind: Literal["step", "poly", "cosine"] = "cosine"
    milestones: list[float] = []
    factor: float = Field(default=0.1, gt=0, le=1)
    power: float = Field(default=2.0, gt=0)
    warmup: float = Field(default=0.0, ge=0)


class Recipe(Section):
    """A training run.

    Attributes:
        data: folder or tar of training faces, one folder an identity.
        exclude: identities (folder names) that are left out.
        cache: folder for decoded pixels, memory-mapped; null: in memory.
        epochs, iterations: the length of the run; exactly one of the two.
        log_every: steps between two lines of log.jsonl.
    """

    data: str | None = None
    exclude: list[str] = []
    cache: str | None = None
    input: Preprocessing = Preprocessing()
    network: NetworkChoice
    head: Named
    augmentation: Augmentation = Augmentation()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    epochs: int | None = Field(default=None, ge=1)
    iterations: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=256, ge=1)
    seed: int = Field(default=0, ge=0)
    device: DeviceChoice = "auto"
    precision: PrecisionChoice = "auto"
    log_every: int = Field(default=50, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if (self.epochs is None) == (self.iterations is None):
            raise ValueError("give either epochs or iterations")
        length = self.epochs or self.iterations or 0
        milestones = self.schedule.milestones
        if milestones != sorted(set(milestones)) or any(not 0 < m < length for m in milestones):
            raise ValueError(
                f"schedule.milestones must rise and lie between 0 and {length}, not {milestones}"
            )
        if (self.schedule.kind == "step") != bool(milestones):
            raise ValueError("schedule.milestones belong to the step schedule, and it needs them")
        if self.schedule.warmup >= length:
            raise ValueError(f"schedule.warmup must be shorter than the run ({length})")
        if self.optimizer.nesterov and self.optimizer.momentum == 0:
            raise ValueError("optimizer.nesterov needs optimizer.momentum above 0")
        return self

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)

    def digest(self) -> str:
        """SHA-256 of all that decides the weights: where pixels are cached and what is logged does not."""
        decisive = self.model_dump_json(exclude={"cache", "log_every"})
        return hashlib.sha256(decisive.encode()).hexdigest()


class _Loader(yaml.SafeLoader):
    """YAML whose numbers are what they look like: `1e-3` is a number too, as in YAML 1.2."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:float"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)


def parse_value(text: str) -> Any:
    """A value given on the command line, read as YAML would: `0.1`, `true`, `[8, 12]`, `null`, `name`."""
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise RecipeError(f"cannot read the value {text!r}: {_yaml_problem(error)}") from error


def load_recipe(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe from YAML.

    Args:
        overrides: values by dotted key (`head.alpha2`), put in place of the file's. Another `head.name` or
            `network.name` drops the arguments given in the file, which belong to the name that stood there;
            and `epochs` takes the place of `iterations`, and the reverse.

    Raises:
        RecipeError: cannot be read, or wrong; every wrong place is named with its line and key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not a text file in UTF-8") from error
    try:
        node = yaml.compose(text, _Loader)
        content = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: {_yaml_problem(error)}") from error
    if not isinstance(content, dict) or not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"{path}: not a recipe; it must hold keys and values such as `epochs: 20`")
    lines = _lines(node, str(path))
    given = dict(overrides or {})
    for key, value in given.items():
        _put(content, key, value)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        problems = [_problem(details, str(path), lines, given) for details in error.errors()]
        raise RecipeError("; ".join(problems)) from error


def _put(content: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    section = content
    for parent in parents:
        if section.get(parent) is None:
            section[parent] = {}
        section = section[parent]
        if not isinstance(section, dict):
            raise RecipeError(f"{dotted}: {parent} holds a value, not keys")
    if parents in (["head"], ["network"]) and last == "name" and section.get("name") != value:
        kept = {"embedding_size": section["embedding_size"]} if "embedding_size" in section else {}
        section.clear()
        section.update(kept)
    if dotted in ("epochs", "iterations"):
        content.pop("iterations" if dotted == "epochs" else "epochs", None)
    section[last] = value


def _lines(node: yaml.MappingNode, path: str, prefix: str = "") -> dict[str, int]:
    """Line of each key, by dotted key. A key that stands twice is an error: one of the two would be lost."""
    lines: dict[str, int] = {}
    for key, value in node.value:
        dotted = f"{prefix}{key.value}"
        if dotted in lines:
            raise RecipeError(
                f"{path}:{key.start_mark.line + 1}: {dotted}: stands here and on line {lines[dotted]}"
            )
        lines[dotted] = key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            lines.update(_lines(value, path, f"{dotted}."))
    return lines


def _problem(details: Any, path: str, lines: dict[str, int], given: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in details["loc"])
    parts = key.split(".")
    place = path
    if key in given:
        place = "given on the command line"
    else:
        known = next(
            (".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in lines), None
        )
        place = f"{path}:{lines[known]}" if known else path
    if details["type"] == "extra_forbidden":
        near = difflib.get_close_matches(parts[-1], _keys_beside(parts), n=1)
        return f"{place}: {key}: unknown key" + (f"; did you mean '{near[0]}'?" if near else "")
    if details["type"] == "missing":
        return f"{place}: {key}: missing, and needed"
    message = details["msg"].removeprefix("Value error, ")
    if not key:
        return f"{place}: {message}"
    return f"{place}: {key}: {message[0].lower()}{message[1:]} (got {details['input']!r})"


def _keys_beside(parts: list[str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in parts[:-1]:
        inner = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    return f"{where}not valid YAML ({getattr(error, 'problem', None) or error})"
