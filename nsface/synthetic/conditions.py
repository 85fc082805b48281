"""What differs between the images of one person: pose, expression, light, hats and glasses, camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nsface.synthetic.draws import Draws, ManyDraws
from nsface.synthetic.features import MOUTHS
from nsface.synthetic.identity import Person, population_draws

_PHOTO, _VIDEO, _FRAME = 2, 3, 4  # kinds of draws; identity.py has 0 and 1
_CYCLE = 48  # frames from one pose of a video to the other
_CLEAR, DARK = 1, 2  # glasses
_BLURS = np.array([0, 0, 0, 1, 1, 2, 4, 6])

PerImage = npt.NDArray[Any]  # N values, one for each image


class Conditions(NamedTuple):
    """The circumstances of N images of one person: arrays of N numbers, or of rows of N.

    Angles are given as tangents of half the angle; light is relative to 1; colours are RGB, 0 to 255.
    """

    texture: PerImage  # seeds the choice of textures
    noise: PerImage  # `Draws` of the grain, the only thing independent between frames of a video

    yaw: PerImage
    pitch: PerImage
    shift: PerImage  # error of the alignment, pixels: to the right, down
    turn: PerImage  # rotation left by the alignment
    zoom: PerImage

    smile: PerImage
    mouth: PerImage  # which of `features.MOUTHS`
    squint: PerImage
    brows: PerImage

    light: PerImage  # direction and strength of the main light: to the right, down, towards the viewer
    ambient: PerImage
    white: PerImage  # RGB
    exposure: PerImage
    contrast: PerImage
    shadow: PerImage  # 0 none
    shadow_edge: PerImage  # a, b, c of the line a·x + b·y + c = 0
    grey: PerImage  # true or false

    backdrop: PerImage  # two colours
    accent: PerImage  # colour of hats, spectacle frames and what covers the face
    hair_change: PerImage
    fringe: PerImage
    glasses: PerImage  # 0 none, else clear or `DARK`
    frame_size: PerImage
    hat: PerImage  # true or false
    covered: PerImage  # true or false: something is in front
    cover: PerImage  # its x, y and radius

    blur: PerImage
    grain: PerImage
    quality: PerImage

    @classmethod
    def of_photographs(cls, person: Person, seed: int, sessions: Sequence[int]) -> Conditions:
        """The conditions of the photographs with these numbers."""
        draws = population_draws(seed, person.population, _PHOTO)
        return cls._draw(person, [draws.branch(person.number, session) for session in sessions])

    @classmethod
    def of_frames(cls, person: Person, seed: int, session: int, frames: Sequence[int]) -> Conditions:
        """The conditions of frames of video `session`.

        Pose and expression move to and fro between two states; the rest stays the same, except the grain.
        """
        video, own = (population_draws(seed, person.population, kind) for kind in (_VIDEO, _FRAME))
        ends = cls._draw(person, [video.branch(person.number, session, end) for end in (0, 1)])
        phase = np.array(frames) % (2 * _CYCLE) / _CYCLE
        at = np.where(phase > 1, 2 - phase, phase)
        streams = [own.branch(person.number, session, frame) for frame in frames]
        d = ManyDraws(streams)
        moved = {
            name: start + (end - start) * at + 0.05 * d.bell()
            for name, (start, end) in ((name, getattr(ends, name)) for name in _MOVING)
        }
        still = ends.part(np.zeros(len(frames), np.intp))
        shift = still.shift + 0.5 * np.array([d.bell(), d.bell()])
        return still._replace(noise=np.array(streams), shift=shift, **moved)

    @classmethod
    def _draw(cls, person: Person, streams: Sequence[Draws]) -> Conditions:
        d = ManyDraws(streams)
        backdrop = np.array([_colour(d), _colour(d)])
        usual = 0.75 if person.glasses > 1 else 0.1
        return cls(
            texture=d.below(1 << 30),
            yaw=0.14 * d.bell(),
            pitch=0.075 * d.bell(),
            shift=np.array([1.2 * d.bell(), 1.2 * d.bell()]),
            turn=0.04 * d.bell(),
            zoom=1 + 0.04 * d.bell(),
            smile=np.maximum(0.8 * d.bell() + 0.4, -0.8),
            mouth=d.below(len(MOUTHS)),
            squint=0.25 * d.bell(),
            brows=1.2 * d.bell(),
            light=np.array([0.48 * d.bell(), -0.25 + 0.3 * d.bell(), d.uniform(0.3, 0.8)]),
            ambient=d.uniform(0.35, 0.75),
            white=np.array([1 + 0.12 * d.bell(), 1 + 0.04 * d.bell(), 1 + 0.13 * d.bell()]),
            exposure=1.1 + 0.16 * d.bell(),
            contrast=1 + 0.2 * d.bell(),
            shadow=np.where(d.chance(0.35), d.uniform(0.2, 0.6), 0.0),
            shadow_edge=np.array([d.uniform(-1, 1), d.uniform(-1, 1), d.uniform(-20, 20)]),
            grey=d.chance(0.1),
            backdrop=backdrop,
            accent=_colour(d),
            hair_change=d.bell(),
            fringe=d.bell(),
            glasses=np.where(d.chance(usual), np.where(d.chance(0.2), DARK, _CLEAR), 0),
            frame_size=d.uniform(0.85, 1.25),
            hat=d.chance(0.09),
            covered=d.chance(0.25),
            cover=np.array([d.uniform(-42, 42), d.uniform(-30, 45), d.uniform(9, 26)]),
            blur=_BLURS[d.below(len(_BLURS))],
            grain=d.uniform(0.5, 9),
            quality=60 + d.below(36),
            noise=np.array(streams),
        )

    def part(self, images: PerImage) -> Conditions:
        """The conditions of the images at these positions."""
        return Conditions(*(values[..., images] for values in self))


_MOVING = ("yaw", "pitch", "smile", "squint", "brows")  # in a video


def _colour(draws: ManyDraws) -> PerImage:
    return np.array([draws.uniform(10, 245), draws.uniform(10, 245), draws.uniform(10, 245)])
