"""What makes a person: traits that stay the same in all of their images.

Lengths are pixels of the 112 × 96 crop before alignment; the origin lies between the eyes and the mouth, x to
the right of the image, y down. Every trait is a bell-shaped number times a spread; some of it is shared with
the neighbours in number ("family"), so that every population has look-alikes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.synthetic.draws import Draws

TRAINING, TEST = 0, 1  # populations: nobody is in both
_FAMILY = 8  # neighbours in number who share part of their traits
_STEPS = 256  # a bell-shaped number is kept in whole steps of 1/256, so that distances are exact
_PERSON, _RELATIVES = 0, 1  # kinds of draws; conditions.py has more

Colour = tuple[float, float, float]


def trait(mean: float, spread: float) -> Any:
    """A field drawn with this mean and standard deviation."""
    return field(metadata={"mean": mean, "spread": spread})


@dataclass(frozen=True)
class Person:
    """One identity; `draw` makes it."""

    seed: int
    population: int
    number: int
    traits: npt.NDArray[np.int64]  # the traits below as multiples of their spreads, in exact steps

    sex: float = trait(0, 1)  # above 0 female
    age: float = trait(0.35, 0.3)  # 0 young, 1 old
    tone: float = trait(0.34, 0.26)  # of the skin: 0 pale, 1 dark
    ruddy: float = trait(0, 1)
    hair_tone: float = trait(0.3, 0.26)  # 0 black, 1 blond
    hair_red: float = trait(0, 1)
    hair_length: float = trait(0, 1)
    hair_volume: float = trait(4, 3)
    hairline: float = trait(-49, 5)
    widow: float = trait(0, 3)  # the hairline lower (above 0) or higher in the middle
    temple: float = trait(11, 5)
    parting: float = trait(0, 1)
    curl: float = trait(0, 1)
    balding: float = trait(0, 1)

    width: float = trait(39, 2.4)  # half the face at the cheeks
    cheek_height: float = trait(-8, 4)
    chin: float = trait(46, 3.4)
    jaw: float = trait(0.5, 0.28)  # 0 pointed, 1 square
    cheekbone: float = trait(0.5, 0.3)
    cleft: float = trait(0, 1)
    ears: float = trait(4, 1.6)

    eye_gap: float = trait(17.6, 1.3)
    eye_height: float = trait(-20.4, 1.3)
    eye_width: float = trait(7.6, 0.8)
    eye_open: float = trait(2.9, 0.65)
    eye_lower: float = trait(1.9, 0.4)
    eye_tilt: float = trait(-0.6, 1.1)
    lid_crease: float = trait(2.4, 0.9)
    hood: float = trait(0.3, 0.35)
    iris: float = trait(3.3, 0.28)
    iris_tone: float = trait(0.3, 0.35)
    iris_green: float = trait(0, 1)
    socket: float = trait(0.5, 0.25)
    bags: float = trait(0.35, 0.3)
    lashes: float = trait(0.6, 0.2)

    brow_height: float = trait(-9.5, 1.5)  # above the eyes
    brow_gap: float = trait(17.5, 1.2)
    brow_length: float = trait(10.2, 1.2)
    brow_thick: float = trait(1.7, 0.55)
    brow_arch: float = trait(2.2, 1.3)
    brow_tilt: float = trait(0, 1.3)
    brow_dark: float = trait(0.7, 0.18)

    nose_end: float = trait(0, 2)
    nose_width: float = trait(9, 1.4)
    nose_bridge: float = trait(4.6, 0.8)
    nose_tip: float = trait(4.6, 0.8)
    nose_high: float = trait(1, 0.28)
    nose_bend: float = trait(0, 1)
    nostrils: float = trait(0.6, 0.25)

    mouth_height: float = trait(20.3, 1.7)
    mouth_width: float = trait(13.6, 1.6)
    upper_lip: float = trait(2.7, 0.8)
    lower_lip: float = trait(3.6, 0.9)
    cupid: float = trait(0.35, 0.25)
    mouth_curve: float = trait(0, 0.9)
    lip_red: float = trait(0.5, 0.22)
    philtrum: float = trait(0.4, 0.3)

    folds: float = trait(0.3, 0.3)
    wrinkles: float = trait(0.1, 0.4)
    freckles: float = trait(-0.5, 0.7)
    beard: float = trait(-0.5, 1)
    moustache: float = trait(-0.5, 1)
    asymmetry: float = trait(0, 1)
    glasses: float = trait(0, 1)  # above 1: usually wears them
    mole_x: float = trait(0, 18)
    mole_y: float = trait(4, 20)
    mole_size: float = trait(0.2, 0.8)
    mole2_x: float = trait(0, 18)
    mole2_y: float = trait(4, 20)
    mole2_size: float = trait(-0.2, 0.8)

    @classmethod
    def draw(cls, seed: int, population: int, number: int) -> Person:
        """Person `number` of `population`, `TRAINING` or `TEST`: always the same for the same arguments."""
        own = _steps(seed, population, number, _PERSON)
        family = _family_steps(seed, population, number // _FAMILY)
        mixed = 3 * family + 4 * own  # 3² + 4² = 5²: variance 1
        values = {
            name: mean + spread * (steps / (5 * _STEPS))
            for (name, mean, spread), steps in zip(_table(), mixed.tolist(), strict=True)
        }
        return cls(seed, population, number, mixed, **values)

    @property
    def female(self) -> bool:
        return self.sex > 0

    @property
    def bald(self) -> bool:
        return self.balding > 1.2 and not self.female

    @property
    def hair_reach(self) -> float:
        """How long the hair is: below 0 short, above 0 over the ears and down."""
        return self.hair_length + (0.7 if self.female else -1.3)

    @property
    def skin(self) -> Colour:
        """RGB, 0 to 255, in white light."""
        pale, dark = (232.0, 192.0, 168.0), (88.0, 56.0, 42.0)
        red = 5.0 * self.ruddy
        r, g, b = blend(pale, dark, _clip(self.tone))
        return r + red, g - 0.6 * red, b - 0.8 * red

    @property
    def hair(self) -> Colour:
        """RGB, 0 to 255; grey with age."""
        tone = _clip(self.hair_tone - 0.35 * max(self.tone - 0.4, 0.0))
        red = 14.0 * max(self.hair_red, 0.0) * tone
        r, g, b = blend((26.0, 21.0, 19.0), (188.0, 150.0, 98.0), tone)
        return blend(
            (r + red, g - 0.3 * red, b - 0.6 * red), (176.0, 174.0, 172.0), _clip(2.2 * self.age - 1.2)
        )

    @property
    def iris_colour(self) -> Colour:
        """RGB, 0 to 255: brown to blue, or green."""
        light: Colour = (110.0, 140.0, 104.0) if self.iris_green > 0.6 else (104.0, 136.0, 166.0)
        return blend(
            (58.0, 36.0, 22.0), light, _clip(1.6 * (self.iris_tone - 0.6 * max(self.tone - 0.3, 0.0)))
        )


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with `share` (0 to 1) of `b`."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)


@lru_cache(maxsize=1)
def _table() -> list[tuple[str, float, float]]:
    """Name, mean and spread of every trait, in the order they are drawn."""
    found = [f for f in fields(Person) if "mean" in f.metadata]
    return [(f.name, f.metadata["mean"], f.metadata["spread"]) for f in found]


@lru_cache(maxsize=16)
def population_draws(seed: int, population: int, kind: int) -> Draws:
    """The stream whose branches, by the number of the person, are one kind of what is drawn for people."""
    return Draws(seed, population, kind)


@lru_cache(maxsize=2)  # its members come one after another
def _family_steps(seed: int, population: int, number: int) -> npt.NDArray[np.int64]:
    return _steps(seed, population, number, _RELATIVES)


def _steps(seed: int, population: int, number: int, kind: int) -> npt.NDArray[np.int64]:
    draws = population_draws(seed, population, kind).branch(number)
    steps: npt.NDArray[np.int64] = np.rint(draws.bells(len(_table())) * _STEPS).astype(np.int64)
    return steps
