"""Everything around the face and in front of it: background, ears, hair, hats, glasses, covers."""

from __future__ import annotations

import numpy as np

from nsface.synthetic.canvas import EVERYWHERE, Canvas, blob, edge, flat_each, unit
from nsface.synthetic.conditions import DARK, Conditions, PerImage
from nsface.synthetic.identity import Person, blend
from nsface.synthetic.portrait import Points, Portrait
from nsface.synthetic.pose import View, band, per_image
from nsface.synthetic.textures import Layer, cut

_DARK_LENS, _CLEAR_LENS, _FRAME = np.array([[30, 28, 30], [230, 236, 240], [24, 20, 20]], float)[:, :, None]


def paint_behind(canvas: Canvas, view: View, person: Person, conditions: Conditions) -> None:
    """Background, hair, ears; of N images, as everything here."""
    pattern = np.empty_like(view.x)
    for texture, piece in zip(conditions.texture.tolist(), pattern, strict=True):
        np.multiply(cut("coarse", texture, *piece.shape), 1.0 + texture % 7, out=piece)
    pattern += 0.5
    far, near = map(flat_each, conditions.backdrop)
    np.multiply(near - far, unit(pattern), out=canvas.colours)
    canvas.colours += far
    _paint_hair(canvas, view, person, conditions)
    if person.hair_reach > 0.3:
        return  # the hair hides the ears
    rows = band(person.eye_height - 2, person.eye_height + 22)
    dx = np.abs(view.x[:, rows]) - (person.width + 1.5)  # left and right alike
    dy = view.y[:, rows] - (person.eye_height + 10)
    cover = unit(blob(dx, dy, 4 + person.ears, 15) * 3)
    canvas.paint(rows, cover, blend(person.skin, (110.0, 46.0, 40.0), 0.2))


def _paint_hair(canvas: Canvas, view: View, person: Person, conditions: Conditions) -> None:
    """The whole head of hair; the face is painted over it, up to the hairline."""
    bald, length = person.bald, person.hair_reach
    volume = np.maximum(person.hair_volume + 1.2 * conditions.hair_change, 0.0) * (not bald)
    down = 70.0 if length > 0.5 else -12.0 + 25 * max(length, 0.0)
    rows = _above(down)
    y = view.y[:, rows]
    wide = person.width + volume + 3.0 * max(length, 0.0)
    far = unit((y + 22) * (-1 / 62))  # the outline narrows towards the crown
    far *= far
    beside = view.x[:, rows] * per_image(1 / wide)
    beside *= beside
    far += beside
    np.subtract(1, far, out=far)
    far *= per_image(wide / 2)
    cover = edge(far, 2.0)
    cover *= edge(down - y, 4.0)
    kind = "curls" if person.curl > 0.7 else "strands"
    strands = np.empty_like(cover)
    for texture, piece in zip(conditions.texture.tolist(), strands, strict=True):
        hairs = cut(kind, person.number * 13 + texture % 5, *piece.shape)
        np.multiply(hairs, 4.0 if bald else 30.0, out=piece)
    colour = blend(person.skin, person.hair, 0.15) if bald else person.hair
    canvas.paint(rows, cover, colour)
    strands *= cover
    canvas.brighten(rows, strands)


def _above(y: float) -> slice:
    """The rows that can show what is above `y`, a point of the face."""
    return slice(0, band(y, y).stop)


def hairless(view: View, portrait: Portrait, points: Points, conditions: Conditions) -> Layer:
    """0 above the hairline, 1 where the face is free; for the upper rows of the images."""
    person, rows = portrait.person, _above(0)
    below = portrait.sheet.forehead.take(points[:, rows])
    below -= per_image(_hairline(person, conditions))
    parted = (5.0 * person.parting + 2.0 * conditions.fringe).clip(-8.0, 8.0) / person.width
    below -= view.x[:, rows] * per_image(parted)
    return edge(below, 3.0)


def _hairline(person: Person, conditions: Conditions) -> PerImage:
    """How far down the hair grows, but for parting, widow's peak and temples."""
    line = person.hairline + 1.5 * conditions.hair_change
    if person.bald:
        line -= 26.0
    elif person.female:
        line += 17.0 * (person.parting + 0.6 * conditions.fringe > 0.8)  # a fringe
    return np.minimum(line, -33.0)  # above the brows


def paint_in_front(canvas: Canvas, view: View, person: Person, conditions: Conditions) -> None:
    """A hat, glasses, and what covers part of the face, on the images that have them."""
    for i in np.flatnonzero(conditions.hat).tolist():
        _paint_hat(canvas.image(i), view, person, conditions, i)
    if conditions.glasses.any():
        _paint_glasses(canvas, view, person, conditions)
    for i in np.flatnonzero(conditions.covered).tolist():
        _paint_cover(canvas.image(i), view, person, conditions, i)


def _paint_hat(canvas: Canvas, view: View, person: Person, conditions: Conditions, i: int) -> None:
    rows = _above(-24)
    u = view.x[i, rows] * (1 / person.width)
    below = view.y[i, rows] + 34 + 5 * u * u
    brim = edge(2 * float(conditions.hair_change[i]) - below, 1.5)
    canvas.paint(rows, brim, conditions.accent[:, i].tolist())
    canvas.darken(rows, edge(4 - below, 5.0) * (1 - brim) * 0.4)


def _paint_glasses(canvas: Canvas, view: View, person: Person, conditions: Conditions) -> None:
    worn = np.flatnonzero(conditions.glasses)
    dark, texture = conditions.glasses[worn] == DARK, conditions.texture[worn]
    middle, gap, size = person.eye_height + 2, person.eye_gap, conditions.frame_size[worn]
    rows = band(middle - 14, middle + 14)
    part = Canvas(canvas.colours[:, worn, rows])
    x, y = np.abs(view.x[worn, rows] - 5 * view.sine[worn]) - gap, view.y[worn, rows] - middle
    wide = 12.5 * size
    u, v = x * per_image(1 / wide), y * per_image(1 / (9.0 * size))
    u *= u
    v *= v
    square = texture % 3 > 0
    u[square] *= u[square]
    v[square] *= v[square]
    u += v  # 1 along the rim
    lens = edge(1 - u, 0.15) * per_image(np.where(dark, 0.92, 0.1))
    part.paint(EVERYWHERE, lens, flat_each(np.where(dark, _DARK_LENS, _CLEAR_LENS)))
    rim = unit(1.6 - np.abs(u - 1) * per_image(3.0 + texture % 4))
    bars = edge(0.9 - np.abs(y + 3), 1.2)  # bridge and temples
    bars *= edge(np.abs(x) - per_image(wide - 1))
    frame = np.maximum(rim, bars, out=rim)
    frame *= 0.9
    part.paint(EVERYWHERE, frame, flat_each(0.25 * conditions.accent[:, worn] + 0.75 * _FRAME))
    canvas.colours[:, worn, rows] = part.colours


def _paint_cover(canvas: Canvas, view: View, person: Person, conditions: Conditions, i: int) -> None:
    x, y, radius = conditions.cover[:, i].tolist()
    rows = band(y - radius, y + radius)
    cover = unit(blob(view.x[i, rows] - x, view.y[i, rows] - y, radius, radius) * 6)
    colour = person.skin if conditions.texture[i] % 2 else conditions.accent[:, i].tolist()
    canvas.paint(rows, cover, blend(colour, (0.0, 0.0, 0.0), 0.1))
