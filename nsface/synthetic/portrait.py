"""A person's face, unrolled and unlit: painted once, then posed, lit and photographed many times."""

from __future__ import annotations

import numpy as np

from nsface.synthetic.canvas import blob, edge
from nsface.synthetic.features import LOOKS, mouth_window, paint_face, paint_mouth
from nsface.synthetic.identity import Person
from nsface.synthetic.sheet import Sheet
from nsface.synthetic.textures import cut

__all__ = ["LOOKS", "Portrait"]


class Portrait:
    """The face of `person`, in each of the `LOOKS`.

    They differ around the mouth only, so one sheet serves them all and stays in the processor's cache.
    """

    def __init__(self, person: Person) -> None:
        self.person = person
        self._sheet = Sheet.empty()
        _paint_skin(self._sheet, person)
        paint_face(self._sheet, person)
        self._sheet.work_out_slopes()
        mouth = mouth_window(self._sheet, person)
        self._around_mouth = self._sheet.layers[:, mouth[0], mouth[1]]
        self._mouths = self._sheet.copies(mouth, len(LOOKS))
        paint_mouth(self._mouths, person)
        self._mouths.work_out_slopes()

    def look(self, number: int) -> Sheet:
        """The sheet with mouth and make-up of `LOOKS[number]`, until another look is asked for."""
        self._around_mouth[:] = self._mouths.layers[:, number]
        return self._sheet


def _paint_skin(sheet: Sheet, person: Person) -> None:
    """The face without features, and its cover, which narrows from the cheeks to the chin."""
    fall = (sheet.y - person.cheek_height) * (1 / (person.chin - person.cheek_height))
    fall = np.maximum(fall, 0.0)
    round_ = np.sqrt(np.maximum(1 - fall * fall, 0.0))
    square = min(max(person.jaw, 0.0), 1.0)
    outline = (round_ * (1 - square) + np.sqrt(round_) * square) * person.width
    sheet.cover[:] = edge(outline - np.abs(sheet.x), 1.5)
    mottled = cut("fine", person.number, *sheet.relief.shape) * 0.06
    mottled += 1
    for plane, primary in zip(sheet.colours, person.skin, strict=True):
        np.multiply(mottled, primary, out=plane)
    chin = sheet.window(0, person.chin - 8, 12, 10)
    dx, dy = sheet.offsets(chin, 0, person.chin - 8)
    sheet.raise_(chin, blob(dx, dy, 11, 9) * (1.5 + 1.5 * person.jaw))
    if person.cleft > 1:
        sheet.raise_(chin, blob(dx, dy - 1, 1.8, 5) * -1.0)
