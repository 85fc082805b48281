"""Parts of a recipe that name a network, a head or a loss, with the arguments it takes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from torch import nn

from nsface.arguments import ArgumentError, check_arguments, own_arguments, unknown_name
from nsface.auxiliary import AUXILIARY
from nsface.errors import listing
from nsface.heads import HEADS
from nsface.model import build_network, check_whole_numbers, plan_network
from nsface.networks import NETWORKS
from nsface.preprocessing import Preprocessing
from nsface.recipe.own_size import own_size
from nsface.weightless import weightless

LARGEST_NUMBER = 1_000_000  # the largest whole number that an argument may be
LARGEST_COUNT = 1 << 30  # the largest number of steps, and of images a step


class Section(BaseModel):
    """A part of a recipe: keys it does not know and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Named(Section):
    """A network or head by name; further keys are its arguments."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)

    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        """What the recipe gives besides the name."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _bounded(self) -> Named:
        for key, value in self.arguments.items():
            check_whole_numbers(key, value, LARGEST_NUMBER)
        return self


class NetworkChoice(Named):
    """A network, and the length of its embeddings: where it is not stated, the network's own, or 512."""

    embedding_size: int = Field(default=512, ge=1, le=1 << 20)

    @model_validator(mode="before")
    @classmethod
    def _of_its_own_size(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "embedding_size" in content:
            return content
        size = own_size(content.get("name"), content.get("channels"))
        return content if size is None else content | {"embedding_size": size}

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in NETWORKS:
            raise ValueError(unknown_name("network", name, NETWORKS))
        return name

    def build(self, images: Preprocessing) -> nn.Module:
        """The network for images of that size, with fresh weights from torch's global generator."""
        return build_network(self.name, images, self.embedding_size, self.arguments)

    def plan(self, images: Preprocessing) -> nn.Module:
        """The network for images of that size without its weights; refuses what cannot be."""
        return plan_network(self.name, images, self.embedding_size, self.arguments)


class HeadChoice(Named):
    """A training objective; its arguments must be known to it and in their range."""

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in HEADS:
            raise ValueError(unknown_name("head", name, HEADS))
        return name

    @model_validator(mode="after")
    def _possible(self) -> HeadChoice:
        try:
            check_arguments(self.name, HEADS[self.name], self.arguments)
        except ArgumentError as error:
            raise ArgumentError(f"{error}{self._heads_that_have_them()}") from error
        with weightless():  # refuses what is out of range
            HEADS[self.name](1, 2, **self.arguments)
        return self

    def _heads_that_have_them(self) -> str:
        """The end of a message about an argument that other heads have, as `alpha2` for `softmax`."""
        known = {name: own_arguments(head) for name, head in HEADS.items()}
        for key in self.arguments:
            heads = [name for name in known if key in known[name]]
            if heads and self.name not in heads:
                return f"; heads with {key}: {listing(heads, 3)}"
        return ""


class AuxiliaryChoice(Named):
    """An auxiliary loss; `weight`, like the other keys, has the loss's own default."""

    @model_validator(mode="after")
    def _known(self) -> AuxiliaryChoice:
        if self.name not in AUXILIARY:
            raise ValueError(unknown_name("loss", self.name, AUXILIARY))
        check_arguments(self.name, AUXILIARY[self.name], self.arguments)
        AUXILIARY[self.name](1, 2, **self.arguments)  # refuses what is out of range
        return self
