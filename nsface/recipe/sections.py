"""The sections of a recipe about batches, the optimiser and its schedule."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nsface.recipe.choices import LARGEST_COUNT, Section

CompileChoice = Literal["auto", "on", "off"]


class Sampler(Section):
    """Batches of `identities` identities with `images` images each, in place of shuffled images."""

    identities: int = Field(ge=2, le=1 << 15)
    images: int = Field(ge=1, le=1 << 15)


class Optimizer(Section):
    """Stochastic gradient descent. Weight decay spares biases, normalisation and PReLU slopes.

    Attributes:
        backbone_rate: the learning rate of the network, as a share of that of the head and the auxiliary
            losses, which is `learning_rate` as the schedule changes it.
        clip_norm: the gradient of all weights together is scaled down to this L2 norm; null: as it is.
    """

    learning_rate: float = Field(default=0.1, gt=0)
    backbone_rate: float = Field(default=1.0, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(default=5e-4, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)


class Guard(Section):
    """What is done about a training that goes wrong.

    A step whose loss or gradient is not finite is skipped: it changes nothing.

    Attributes:
        skip: so many of them in a row mean that the training has diverged. They are counted where a line is
            logged or a state is saved.
        then: what follows: "stop" ends the run, and the last good state stays; "lower-rate" goes back to the
            end of the last epoch, with `factor` times the learning rate from there on, and stops where the
            training diverges after so many `returns`. The same follows where weights or embeddings are not
            finite.
        factor, returns: see `then`.
        learning: after so many steps a line says so if nothing has been learned; null: after the warm-up and
            the longest of an epoch, a tenth of the run, and 100 steps; not at all in shorter runs.
    """

    skip: int = Field(default=10, ge=1, le=LARGEST_COUNT)
    then: Literal["stop", "lower-rate"] = "stop"
    factor: float = Field(default=0.1, gt=0, lt=1)
    returns: int = Field(default=3, ge=1, le=LARGEST_COUNT)
    learning: int | None = Field(default=None, ge=1, le=LARGEST_COUNT)


class Schedule(Section):
    """How the learning rate changes; times are in the recipe's unit (epochs, or iterations).

    Attributes:
        kind: "step" multiplies by `factor` at each of `milestones`; "poly" falls as (1 − t)^power and
            "cosine" as (1 + cos πt)/2, t the share of the run after the warm-up.
        warmup: the rate first rises linearly from 0 over this time.
    """

    kind: Literal["step", "poly", "cosine"] = "cosine"
    milestones: list[float] = Field(default=[])
    factor: float = Field(default=0.1, gt=0, le=1)
    power: float = Field(default=2.0, gt=0)
    warmup: float = Field(default=0.0, ge=0)
