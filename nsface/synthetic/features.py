"""Eyes, brows, nose, mouth and the marks of the skin, painted on the sheet."""

from __future__ import annotations

import numpy as np

from nsface.synthetic.canvas import EVERYWHERE, Window, blob, edge, flat_each, positive, unit
from nsface.synthetic.identity import Colour, Person, blend
from nsface.synthetic.sheet import LEFT_RIGHT, Sheet
from nsface.synthetic.textures import cut

MOUTHS = ((0.0, 0.0), (1.8, 0.5), (4.2, 0.2), (0.0, 1.0))  # how far the mouth is open (pixels), lipstick


def paint_face(sheet: Sheet, person: Person) -> None:
    """Paint everything on the skin but the mouth."""
    _paint_skin_marks(sheet, person)
    if not person.female:
        _paint_beard(sheet, person)
    _paint_nose(sheet, person)
    _paint_cheeks(sheet, person)
    _paint_eyes(sheet, person)
    _paint_brows(sheet, person)


def _paint_eyes(sheet: Sheet, person: Person) -> None:
    half, height = person.eye_width, person.eye_height
    y = height + 0.35 * person.asymmetry * LEFT_RIGHT
    open_, lower = max(person.eye_open, 0.8), max(person.eye_lower, 0.6)
    with sheet.sides(person.eye_gap, height, half * 1.7, 13) as both:
        dx, dy = both.x - LEFT_RIGHT * person.eye_gap, both.y - y
        both.add_relief(EVERYWHERE, blob(dx, dy, half * 1.7, 10) * -(1.0 + 1.6 * person.socket))
        shade = blob(dx + 3 * LEFT_RIGHT, dy + 2, half * 1.5, 10) * (0.24 * person.socket + 0.07)
        both.darken(EVERYWHERE, shade)

    with sheet.sides(person.eye_gap, height, half + 2, 10) as both:
        dx, dy = both.x - LEFT_RIGHT * person.eye_gap, both.y - y
        out = dx * LEFT_RIGHT * (1 / half)  # 0 in the middle, 1 at the outer corner
        bow = 1 - out * out
        dy = dy - person.eye_tilt * out
        upper_lid = dy + open_ * bow * (1 + 0.2 * out)
        lower_lid = lower * bow - dy
        full = unit(1.6 * bow)
        crease = edge(0.6 - np.abs(upper_lid + person.lid_crease), 1.2) * 0.35
        hood = edge(upper_lid + person.lid_crease + 2 * person.hood) * edge(-upper_lid)
        hood *= 0.08 + 0.12 * person.hood
        bags = blob(dx, dy - lower - 3.5, half * 1.1, 3.5) * (0.3 * person.bags)
        both.darken(EVERYWHERE, unit((crease + hood) * full + bags))

        inside = edge(np.minimum(upper_lid, lower_lid), 1.2)
        both.paint(EVERYWHERE, inside, (220.0, 212.0, 206.0))
        distance = np.sqrt(dx * dx + (dy + 0.3) * (dy + 0.3))
        both.paint(EVERYWHERE, inside * edge(person.iris - distance), person.iris_colour)
        both.paint(EVERYWHERE, inside * edge(0.42 * person.iris - distance), (14.0, 12.0, 12.0))
        both.paint(EVERYWHERE, inside * blob(dx + 1.1, dy + 1.3, 1.5, 1.5), (250.0, 250.0, 250.0))
        dark = min(max(person.lashes + (0.15 if person.female else 0.0), 0.2), 0.95)
        lash = edge(0.4 + 0.4 * dark - np.abs(upper_lid - 0.2), 1.4) * unit(1.5 * bow + 0.25)
        both.paint(EVERYWHERE, lash * dark, (34.0, 24.0, 22.0))
        both.darken(EVERYWHERE, edge(0.5 - np.abs(lower_lid), 1.3) * full * 0.25)


def _paint_brows(sheet: Sheet, person: Person) -> None:
    half, height = person.brow_length, person.eye_height + person.brow_height
    with sheet.sides(person.brow_gap, height, half + 2, 10) as both:
        dx = both.x - LEFT_RIGHT * person.brow_gap
        dy = both.y - height - 0.5 * person.asymmetry * LEFT_RIGHT
        out = dx * LEFT_RIGHT * (1 / half)
        from_curve = dy + person.brow_arch * (1 - out * out) - person.brow_tilt * out
        thick = max(person.brow_thick * (0.8 if person.female else 1.15), 0.5)
        hairs = np.stack([cut("fine", person.number * 7 + i, *from_curve.shape[1:]) for i in (0, 2)])
        cover = edge(thick * (1 - 0.45 * out) + 0.7 * hairs - np.abs(from_curve), 1.6)
        cover *= unit((1 - np.abs(out)) * 3)
        cover *= min(max(person.brow_dark, 0.25), 0.95)
        both.paint(EVERYWHERE, cover, blend(person.hair, (24.0, 18.0, 16.0), 0.4))
        both.add_relief(EVERYWHERE, blob(dx, dy, half + 2, 9) * (0.4 if person.female else 1.0))


def _paint_nose(sheet: Sheet, person: Person) -> None:
    top, end = person.eye_height + 1, person.nose_end + 2
    here = sheet.window(0, (top + end) / 2, person.nose_width + 7, (end - top) / 2 + 8)
    x, y = sheet.offsets(here, 0, 0)
    along = unit((y - top) * (1 / (end - top)))
    x = x - 1.6 * person.nose_bend * along * (1 - along) - 0.4 * person.asymmetry * along
    wide = person.nose_bridge + 1.5 + (person.nose_width - person.nose_bridge) * along * along
    across = x / wide
    ridge = positive(1 - across * across)
    high = 6.5 * max(person.nose_high, 0.3)
    sheet.add_relief(
        here, ridge * ridge * ((0.3 + 0.7 * along) * edge(end + 1 - y, 6.0) * edge(y - top + 4, 10.0) * high)
    )
    tip = person.nose_tip
    sheet.add_relief(here, blob(x, y - end + 3.5, tip * 1.3, tip * 1.1) * (1.6 * max(person.nose_high, 0.3)))

    here = sheet.window(0, end - 1, person.nose_width + 4, 6)
    x, y = sheet.offsets(here, 0.4 * person.asymmetry, 0)
    dark = blob(x, y - end - 2, person.nose_width * 1.1, 4) * 0.25
    nostril, wide_open = 0.52 * person.nose_width, max(person.nostrils, 0.0)
    for side in (-1, 1):
        wing, up = x - side * person.nose_width, y - end + 2.5
        curve = edge(0.6 - np.abs(wing + side * 0.12 * up * up), 1.4)
        dark += curve * blob(wing, up, 5, 5.5) * 0.4
        hole = blob(x - side * nostril, y - end - 0.4, 2.2 + 1.2 * wide_open, 1.5 + 0.9 * wide_open)
        dark += unit(hole * 1.6) * 0.6
    sheet.darken(here, np.minimum(dark, 0.85))


def mouth_window(sheet: Sheet, person: Person) -> Window:
    """The part of the sheet that `paint_mouth` changes, and a little more."""
    return sheet.window(0, person.mouth_height, _half_mouth(person) + 3, 13)


def _half_mouth(person: Person) -> float:
    return max(person.mouth_width, 7.0)


def paint_mouth(sheet: Sheet, person: Person) -> None:
    """Paint the lips and what lies around them on a copy of the sheet for each of the `MOUTHS`."""
    gape = np.array([gape for gape, _ in MOUTHS], np.float32).reshape(-1, 1, 1)
    half = _half_mouth(person)
    dx, dy = sheet.offsets(EVERYWHERE, 0, person.mouth_height)
    across = dx * (1 / half)
    square = across * across
    bow = positive(1 - square)
    dy = dy + person.mouth_curve * square - 0.5 * person.asymmetry * across
    upper, lower = max(person.upper_lip, 0.8), max(person.lower_lip, 1.0)
    notch = 1 - positive(1 - 16 * square) * (0.7 * min(max(person.cupid, 0.0), 1.0))
    top = dy + (upper * notch + 0.35 * gape) * bow
    bottom = (lower + 0.65 * gape) * bow - dy
    line = dy + 0.35 * gape * bow  # 0 where the upper lip ends

    corners = unit(6 * bow)
    cover = edge(np.minimum(top, bottom), 1.4) * corners
    sheet.paint(
        EVERYWHERE, cover * 0.85, flat_each(np.array([_lips(person, lipstick) for _, lipstick in MOUTHS]).T)
    )
    sheet.darken(EVERYWHERE, cover * edge(-dy) * 0.15)
    sheet.add_relief(EVERYWHERE, cover * bow * 1.2)
    opening = edge(np.minimum(line, 0.65 * gape * bow - dy), 1.2) * corners * (gape > 0)
    sheet.paint(EVERYWHERE, opening, (46.0, 18.0, 18.0))
    teeth = opening * edge(0.15 * gape * bow - dy + 0.5) * unit(3 * bow - 0.3)
    sheet.paint(EVERYWHERE, teeth, (226.0, 220.0, 206.0))
    dark = edge(0.45 - np.abs(line), 1.3) * edge(1 - np.abs(across), 0.1) * 0.5
    dark += blob(dx, dy - lower - 0.65 * gape - 2.5, half * 0.6, 3) * 0.18
    dark += edge(0.9 - np.abs(dx), 2) * edge(-top, 3) * edge(top + 7, 2) * (0.12 * max(person.philtrum, 0.0))
    sheet.darken(EVERYWHERE, dark)


def _lips(person: Person, lipstick: float) -> Colour:
    red = person.lip_red + (0.5 * lipstick if person.female else -0.1)
    bare = blend(person.skin, (150.0, 70.0, 66.0), 0.5)
    return blend(bare, (176.0, 34.0, 48.0), min(max(red, 0.0), 1.0) * 0.55)


def _paint_cheeks(sheet: Sheet, person: Person) -> None:
    """Cheekbones, colour of the cheeks, the folds from nose to mouth."""
    x, y = person.width - 15, person.cheek_height + 4
    with sheet.sides(x, y + 3, 15, 15) as both:
        dx, dy = both.x - LEFT_RIGHT * x, both.y - y
        both.add_relief(EVERYWHERE, blob(dx, dy, 15, 12) * (0.8 + 2.0 * person.cheekbone))
        red = blob(dx, dy - 3, 14, 12) * max(0.1 + 0.06 * person.ruddy, 0.0)
        both.paint(EVERYWHERE, red, (196.0, 84.0, 76.0))
    deep = 0.3 * person.folds + 0.4 * (person.age - 0.3)
    if deep <= 0:
        return
    start, end = person.nose_width + 1.0, person.mouth_width + 4.0
    top, bottom = person.nose_end, person.mouth_height + 2
    with sheet.sides((start + end) / 2, (top + bottom) / 2, 9, (bottom - top) / 2 + 3) as both:
        along = (both.y - top) * (1 / (bottom - top))
        beside = LEFT_RIGHT * both.x - (start + (end - start) * along * (1.6 - 0.6 * along))
        fold = edge(0.7 - np.abs(beside), 3.0) * unit(5 * along * (1 - along)) * min(deep, 0.35)
        both.darken(EVERYWHERE, fold)


def _paint_skin_marks(sheet: Sheet, person: Person) -> None:
    """Moles, freckles, lines of the forehead."""
    for x, y, size in (
        (person.mole_x, person.mole_y, person.mole_size),
        (person.mole2_x, person.mole2_y, person.mole2_size),
    ):
        if size > 0:
            here = sheet.window(x, y, 3.5, 3.5)
            spot = unit(2 * blob(*sheet.offsets(here, x, y), 1.2 + size, 1.2 + size))
            sheet.paint(here, spot * 0.75, blend(person.skin, (52.0, 30.0, 24.0), 0.8))
    if person.freckles > 0:
        here = sheet.window(0, -6, person.width - 6, 14)
        area = blob(*sheet.offsets(here, 0, -6), person.width - 6, 14)
        dots = unit(cut("fine", person.number * 5 + 3, *area.shape) * 5 - 1.2)
        sheet.darken(here, dots * area * min(0.55 * person.freckles, 0.5))
    lined = 0.5 * person.wrinkles + 0.5 * (person.age - 0.4)
    if lined > 0:
        here = sheet.window(0, person.eye_height - 19, 24, 11)
        dx, dy = sheet.offsets(here, 0, person.eye_height - 19)
        wave = dy + 0.004 * dx * dx + 0.3 * person.asymmetry
        rows = np.minimum(np.abs(wave), np.minimum(np.abs(wave - 5), np.abs(wave + 5)))
        sheet.darken(here, edge(0.4 - rows, 1.8) * blob(dx, dy, 24, 11) * min(0.5 * lined, 0.4))


def _paint_beard(sheet: Sheet, person: Person) -> None:
    full = min(max(0.9 * person.beard - 0.3, 0.0), 0.9)
    lip = min(max(0.9 * person.moustache - 0.3, 0.8 * full, 0.0), 0.9)
    if max(full, lip) == 0:
        return
    here = sheet.window(0, 27, person.width + 2, 27)
    x, y = sheet.offsets(here, 0, person.mouth_height)
    above = unit(2.2 * blob(x, y + person.upper_lip + 4.5, person.mouth_width + 5, 6.5)) * lip
    if full:
        hairs = cut("fine", person.number * 11 + 1, *above.shape)
        bare = unit(1.5 * blob(x, y - 1, person.mouth_width + 4, 9))
        jaw = edge(y + 0.016 * x * x + 1.5 * hairs, 7.0)
        above = np.maximum(above, jaw * (1 - bare) * full) * (0.85 + 0.4 * hairs)
    sheet.paint(here, unit(above), blend(person.hair, person.skin, 0.15))
