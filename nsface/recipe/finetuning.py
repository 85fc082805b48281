"""The parts of a recipe for fine-tuning: the model that a run begins with, and what of it stays as it is."""

from __future__ import annotations

import difflib
import os
from typing import Any

from pydantic import Field, model_validator
from torch import nn

from nsface.errors import ModelError, joined
from nsface.files import digest
from nsface.model import read_description
from nsface.recipe.choices import LARGEST_COUNT, Section

WHOLE_NETWORK = "all"  # in place of the name of a part


class Init(Section):
    """The model file whose weights the network begins with. A recipe may give its path alone.

    Attributes:
        model: the path of the file, from the working directory, like `data`.
        digest: its SHA-256, in hexadecimal; taken from the file where the recipe does not give it.
    """

    model: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class Freeze(Section):
    """Parts of the network that are not trained, for the first epochs or iterations, or for the whole run.

    A frozen part stays as it is, bit for bit. It has no gradient, no weight decay and no momentum, and it is
    in eval mode: batch normalisation uses its running statistics and does not change them, and dropout is
    off. When it is released, its momentum begins at 0. A recipe may give the parts alone.

    Attributes:
        parts: names of modules of the network, such as `stem` and `stages.0`, each with all that is inside
            it; `all` is the whole network, so that only the head and the auxiliary losses are trained.
        epochs, iterations: how long they are frozen, in the unit in which the recipe gives the length of the
            run; neither: for the whole run.
    """

    parts: list[str] = Field(default=[WHOLE_NETWORK], min_length=1)
    epochs: int | None = Field(default=None, ge=1, le=LARGEST_COUNT)
    iterations: int | None = Field(default=None, ge=1, le=LARGEST_COUNT)

    @model_validator(mode="before")
    @classmethod
    def _parts_alone(cls, value: Any) -> Any:
        if isinstance(value, (str, list)):
            value = {"parts": value}
        if isinstance(value, dict) and isinstance(value.get("parts"), str):
            value = value | {"parts": [value["parts"]]}
        return value

    def check(self, name: str, network: nn.Module, length: dict[str, int | None]) -> None:
        """Refuse parts that the network called `name` does not have, and a time that does not fit the run.

        Args:
            length: of the run, by unit: `epochs` and `iterations`, one of which is None.

        Raises:
            ValueError: with the key that is wrong.
        """
        for part in self.parts:
            _check_part(part, name, network)
        for unit, steps in length.items():
            frozen = getattr(self, unit)
            if frozen is None:
                continue
            if steps is None:
                other = next(key for key in length if key != unit)
                raise ValueError(f"freeze.{unit}: the run is as long as `{other}` says; give freeze.{other}")
            if frozen >= steps:
                raise ValueError(
                    f"freeze.{unit} must be shorter than the run ({steps}); leave it out to freeze the parts "
                    "for the whole run"
                )


def _check_part(part: str, name: str, network: nn.Module) -> None:
    known = [module for module, _ in network.named_modules() if module]
    if part == WHOLE_NETWORK or part in known:
        return
    similar = [f"'{module}'" for module in difflib.get_close_matches(part, known, n=3)]
    suggestion = f" (did you mean {joined(similar, 'or')}?)" if similar else ""
    outermost = ", ".join(module for module in known if "." not in module)
    raise ValueError(
        f"freeze.parts: no part of {name} is called '{part}'{suggestion}; there are: {outermost}, the parts "
        f"inside them, and {WHOLE_NETWORK}"
    )


def completed(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a recipe with what the model file that `init` names says of itself.

    That is its digest, and its `network` and `input` where the recipe leaves these out. A recipe that gives
    the digest is complete; the file need not be there.

    Raises:
        ValueError: the file cannot be read, or is no model file.
    """
    path = initial_path(content)
    if path is None:
        return content
    try:
        description = read_description(path)
        init = {"model": path, "digest": digest(path)}
    except (ModelError, OSError) as error:
        raise ValueError(f"init: {error}") from error
    network = {"name": description.network, "embedding_size": description.embedding_size}
    taken = {
        "network": network | description.network_arguments,
        "input": description.input.model_dump(),
    }
    left_out = {key: value for key, value in taken.items() if content.get(key) is None}
    return content | left_out | {"init": init}


def initial_path(content: dict[str, Any]) -> str | None:
    """The path of the model file that the recipe takes values from; None where it needs none."""
    init = content.get("init")
    if isinstance(init, dict) and "digest" not in init:
        init = init.get("model")
    return init if isinstance(init, str) else None


def take_from_former(content: dict[str, Any], former: dict[str, Any]) -> None:
    """Put into `content` what a model file that is gone said of itself when the run began.

    Args:
        content: of a recipe; it is changed.
        former: the resolved recipe of the run that began with it.
    """
    path = initial_path(content)
    init = former["init"]
    if path is None or os.path.exists(path) or init is None or init["model"] != path:
        return
    content["init"] = init
    for key in ("network", "input"):
        if content.get(key) is None:
            content[key] = former[key]
