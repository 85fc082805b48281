"""A person's face, unrolled and unlit: painted once, then posed, lit and photographed many times."""

from __future__ import annotations

import numpy as np

from nsface.synthetic.canvas import blob, edge, flat
from nsface.synthetic.features import LOOKS, paint_face, paint_mouth
from nsface.synthetic.identity import Person
from nsface.synthetic.sheet import FINENESS, Sheet
from nsface.synthetic.textures import Layer, cut

__all__ = ["LOOKS", "Portrait"]


class Portrait:
    """The face of `person`, in each of the `LOOKS` that are asked for."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self._sheet = Sheet.blank()
        self._cover = _paint_skin(self._sheet, person)
        paint_face(self._sheet, person)
        self._finished: dict[int, tuple[Layer, Layer]] = {}

    def look(self, number: int) -> tuple[Layer, Layer]:
        """The sheet with mouth and make-up of `LOOKS[number]`.

        Returns:
            float32 arrays of the sheet's points in one row: relief, and six planes: red, green, blue, cover
            (1 on the face, 0 beside it), slope of the relief to the right and downwards.
        """
        if number not in self._finished:
            sheet = self._sheet.copy()
            paint_mouth(sheet, self.person, number)
            planes = np.empty((6, *sheet.relief.shape), dtype=np.float32)
            planes[:3], planes[3] = sheet.colours, self._cover
            right, down = planes[4:]
            np.subtract(sheet.relief[:, 2:], sheet.relief[:, :-2], out=right[:, 1:-1])
            np.subtract(sheet.relief[2:], sheet.relief[:-2], out=down[1:-1])
            right[:, [0, -1]] = 0
            down[[0, -1]] = 0
            planes[4:] *= FINENESS / 2
            self._finished[number] = sheet.relief.ravel(), planes.reshape(6, -1)
        return self._finished[number]


def _paint_skin(sheet: Sheet, person: Person) -> Layer:
    """The face without features; returns its cover, which narrows from the cheeks to the chin."""
    fall = (sheet.y - person.cheek_height) * (1 / (person.chin - person.cheek_height))
    fall = np.maximum(fall, 0.0)
    round_ = np.sqrt(np.maximum(1 - fall * fall, 0.0))
    square = min(max(person.jaw, 0.0), 1.0)
    outline = (round_ * (1 - square) + np.sqrt(round_) * square) * person.width
    mottled = cut("fine", person.number, *sheet.relief.shape) * 0.06 + 1
    np.multiply(flat(person.skin), mottled, out=sheet.colours)
    chin = sheet.window(0, person.chin - 8, 12, 10)
    dx, dy = sheet.offsets(chin, 0, person.chin - 8)
    sheet.raise_(chin, blob(dx, dy, 11, 9) * (1.5 + 1.5 * person.jaw))
    if person.cleft > 1:
        sheet.raise_(chin, blob(dx, dy - 1, 1.8, 5) * -1.0)
    return edge(outline - np.abs(sheet.x), 1.5)
