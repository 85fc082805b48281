"""Everything around the face and in front of it: background, ears, hair, hats, glasses, covers."""

from __future__ import annotations

import numpy as np

from nsface.synthetic.canvas import Canvas, blob, edge, flat, unit
from nsface.synthetic.conditions import Conditions
from nsface.synthetic.identity import Person, blend
from nsface.synthetic.pose import View
from nsface.synthetic.textures import Layer, cut


def paint_behind(canvas: Canvas, view: View, person: Person, conditions: Conditions) -> None:
    """Background, hair, ears."""
    pattern = cut("coarse", conditions.texture, *view.x.shape) * (1.0 + conditions.texture % 7)
    pattern += 0.5
    far, near = map(flat, conditions.backdrop)
    np.multiply(near - far, unit(pattern), out=canvas.colours)
    canvas.colours += far
    _paint_hair(canvas, view, person, conditions)
    if _length(person) > 0.3:
        return  # the hair hides the ears
    colour = blend(person.skin, (110.0, 46.0, 40.0), 0.2)
    for side in (-1, 1):
        here = view.window(side * (person.width - 1.0), person.eye_height + 10, 7, 12)
        dx, dy = view.x[here] - side * (person.width + 1.5), view.y[here] - person.eye_height - 10
        canvas.paint(here, unit(blob(dx, dy, 4 + person.ears, 15) * 3), colour)


def _is_bald(person: Person) -> bool:
    return person.balding > 1.2 and not person.female


def _length(person: Person) -> float:
    """How long the hair is: below 0 short, above 0 over the ears and down."""
    return person.hair_length + (0.7 if person.female else -1.3)


def _paint_hair(canvas: Canvas, view: View, person: Person, conditions: Conditions) -> None:
    """The whole head of hair; the face is painted over it, up to the hairline."""
    bald, length = _is_bald(person), _length(person)
    volume = 0.0 if bald else max(person.hair_volume + 1.2 * conditions.hair_change, 0.0)
    down = 70.0 if length > 0.5 else -12.0 + 25 * max(length, 0.0)
    rows = slice(0, view.window(0, down, 1, 3)[0].stop)
    y = view.y[rows]
    fall = unit((y + 22) * (-1 / 62))  # the outline narrows towards the crown
    fall *= fall
    wide = np.sqrt(1 - fall)
    wide *= person.width + volume + 3.0 * max(length, 0.0)
    wide -= np.abs(view.x[rows])
    cover = edge(wide, 2.0)
    cover *= edge(down - y, 4.0)
    kind = "curls" if person.curl > 0.7 else "strands"
    strands = cut(kind, person.number * 13 + conditions.texture % 5, *cover.shape)
    colour = blend(person.skin, person.hair, 0.15) if bald else person.hair
    canvas.paint((rows, slice(None)), cover, flat(colour) + (4 if bald else 30) * strands)


def hairless(view: View, person: Person, conditions: Conditions) -> Layer:
    """0 above the hairline and on sideburns, 1 where the face is free; for the upper rows of the image."""
    rows = slice(0, view.window(0, 0, 1, 1)[0].stop)
    x, y = view.x[rows], view.y[rows]
    u = x * (1 / person.width)
    square = u * u
    length = _length(person)
    line = person.hairline + 1.5 * conditions.hair_change
    if _is_bald(person):
        line -= 26.0
    elif person.female and person.parting + 0.6 * conditions.fringe > 0.8:
        line += 17.0  # a fringe
    line = min(line, -33.0)  # above the brows
    slant = min(max(5.0 * person.parting + 2.0 * conditions.fringe, -8.0), 8.0)
    rough = cut("fine", person.number * 3, *x.shape)
    hairline = rough * 4.0 + line
    hairline += square * square * (2.2 * person.temple)
    hairline += unit(1 - 9 * square) * person.widow
    hairline += u * slant
    free = edge(y - hairline, 3.0)
    burns = edge(person.width - 2.5 - rough * 2 - np.abs(x), 2.0)
    free *= np.maximum(burns, edge(y + 8 - 10 * min(max(length, 0.0), 1.0), 8.0))
    return free


def paint_in_front(canvas: Canvas, view: View, person: Person, conditions: Conditions) -> None:
    """A hat, glasses, and what covers part of the face."""
    if conditions.hat:
        _paint_hat(canvas, view, person, conditions)
    if conditions.glasses:
        _paint_glasses(canvas, view, person, conditions)
    if conditions.cover:
        x, y, radius = conditions.cover
        here = view.window(x, y, radius, radius)
        dx, dy = view.x[here] - x, view.y[here] - y
        colour = person.skin if conditions.texture % 2 else conditions.accent
        canvas.paint(here, unit(blob(dx, dy, radius, radius) * 6), blend(colour, (0.0, 0.0, 0.0), 0.1))


def _paint_hat(canvas: Canvas, view: View, person: Person, conditions: Conditions) -> None:
    above = (slice(0, view.window(0, -24, 1, 1)[0].stop), slice(None))
    u = view.x[above] * (1 / person.width)
    below = view.y[above] + 34 + 5 * u * u
    brim = edge(2 * conditions.hair_change - below, 1.5)
    canvas.paint(above, brim, conditions.accent)
    canvas.darken(above, edge(4 - below, 5.0) * (1 - brim) * 0.4)


def _paint_glasses(canvas: Canvas, view: View, person: Person, conditions: Conditions) -> None:
    y0 = person.eye_height + 2
    here = view.window(0, y0, person.width + 6, 14)
    x, y = np.abs(view.x[here] - 5 * view.sine), view.y[here] - y0
    wide, high = 12.5 * conditions.frame_size, 9.0 * conditions.frame_size
    u, v = (x - person.eye_gap) * (1 / wide), y * (1 / high)
    u, v = u * u, v * v
    around = u * u + v * v if conditions.texture % 3 else u + v
    lens = edge(1 - around, 0.15)
    if conditions.glasses == 2:
        canvas.paint(here, lens * 0.92, (30.0, 28.0, 30.0))
    else:
        canvas.paint(here, lens * 0.1, (230.0, 236.0, 240.0))
    rim = unit(1.6 - np.abs(around - 1) * (3.0 + conditions.texture % 4))
    beside = np.maximum(person.eye_gap - wide - x, x - person.eye_gap - wide)  # bridge and temples
    bars = edge(0.9 - np.abs(y + 3), 1.2) * edge(beside + 1)
    canvas.paint(here, np.maximum(rim, bars) * 0.9, blend(conditions.accent, (24.0, 20.0, 20.0), 0.75))
