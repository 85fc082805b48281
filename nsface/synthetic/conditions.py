"""What differs from image to image of one person: pose, expression, light, what is worn, camera."""

from __future__ import annotations

from typing import NamedTuple

from nsface.synthetic.draws import Draws
from nsface.synthetic.identity import Colour, Person

_PHOTO, _VIDEO, _FRAME = 2, 3, 4  # third part of the keys of draws; identity.py uses 0 and 1
_CYCLE = 48  # frames from one pose of a video to the other


class Conditions(NamedTuple):
    """One image's circumstances. Angles are given as tangents of half the angle; light is relative to 1."""

    texture: int  # seeds the choice of textures
    noise: Draws  # the grain, the only thing independent between frames of a video

    yaw: float
    pitch: float
    shift: tuple[float, float]  # error of the alignment, pixels
    turn: float  # rotation left by the alignment
    zoom: float

    smile: float
    look: int  # which of `features.LOOKS`
    squint: float
    brows: float

    light: tuple[float, float, float]  # direction and strength of the main light
    ambient: float
    white: Colour
    exposure: float
    contrast: float
    shadow: float  # 0 none
    shadow_edge: tuple[float, float, float]
    grey: bool

    backdrop: tuple[Colour, Colour]
    accent: Colour  # of hats, spectacle frames and what covers the face
    hair_change: float
    fringe: float
    glasses: int  # 0 none, 1 clear, 2 dark
    frame_size: float
    hat: bool
    cover: tuple[float, float, float] | None  # something in front: x, y and radius

    blur: int
    grain: float
    quality: int

    @classmethod
    def of(cls, person: Person, seed: int, session: int, frame: int | None) -> Conditions:
        """Those of a photograph, or of a frame of video `session`.

        In a video pose and expression move to and fro between two states; all else stays but the grain.
        """
        key = (person.population, person.number)
        if frame is None:
            return cls._draw(person, Draws(seed, *key, _PHOTO, session))
        start = cls._draw(person, Draws(seed, *key, _VIDEO, session, 0))
        end = cls._draw(person, Draws(seed, *key, _VIDEO, session, 1))
        phase = frame % (2 * _CYCLE) / _CYCLE
        at = 2 - phase if phase > 1 else phase
        own = Draws(seed, *key, _FRAME, session, frame)
        moved = {
            name: getattr(start, name) + (getattr(end, name) - getattr(start, name)) * at + 0.05 * own.bell()
            for name in ("yaw", "pitch", "smile", "squint", "brows")
        }
        shift = (start.shift[0] + 0.5 * own.bell(), start.shift[1] + 0.5 * own.bell())
        return start._replace(noise=own, shift=shift, **moved)

    @classmethod
    def _draw(cls, person: Person, d: Draws) -> Conditions:
        backdrop = (_colour(d), _colour(d))
        usual = 0.75 if person.glasses > 1 else 0.1
        return cls(
            texture=d.below(1 << 30),
            yaw=0.14 * d.bell(),
            pitch=0.075 * d.bell(),
            shift=(1.2 * d.bell(), 1.2 * d.bell()),
            turn=0.04 * d.bell(),
            zoom=1 + 0.04 * d.bell(),
            smile=max(0.8 * d.bell() + 0.4, -0.8),
            look=d.below(4),
            squint=0.25 * d.bell(),
            brows=1.2 * d.bell(),
            light=(0.48 * d.bell(), -0.25 + 0.3 * d.bell(), d.uniform(0.3, 0.8)),
            ambient=d.uniform(0.35, 0.75),
            white=(1 + 0.12 * d.bell(), 1 + 0.04 * d.bell(), 1 + 0.13 * d.bell()),
            exposure=1.1 + 0.16 * d.bell(),
            contrast=1 + 0.2 * d.bell(),
            shadow=d.uniform(0.2, 0.6) if d.chance(0.35) else 0.0,
            shadow_edge=(d.uniform(-1, 1), d.uniform(-1, 1), d.uniform(-20, 20)),
            grey=d.chance(0.1),
            backdrop=backdrop,
            accent=_colour(d),
            hair_change=d.bell(),
            fringe=d.bell(),
            glasses=(2 if d.chance(0.2) else 1) if d.chance(usual) else 0,
            frame_size=d.uniform(0.85, 1.25),
            hat=d.chance(0.09),
            cover=(d.uniform(-42, 42), d.uniform(-30, 45), d.uniform(9, 26)) if d.chance(0.25) else None,
            blur=d.choice((0, 0, 0, 1, 1, 2, 4, 6)),
            grain=d.uniform(0.5, 9),
            quality=60 + d.below(36),
            noise=d,
        )


def _colour(draws: Draws) -> Colour:
    return draws.uniform(10, 245), draws.uniform(10, 245), draws.uniform(10, 245)
