"""A person's face, flat and without light: painted once, then posed, lit and photographed many times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsface.synthetic.canvas import blob, edge, positive
from nsface.synthetic.conditions import PerImage
from nsface.synthetic.features import MOUTHS, mouth_window, paint_face, paint_mouth
from nsface.synthetic.identity import Person
from nsface.synthetic.sheet import COLUMNS, ROWS, Sheet
from nsface.synthetic.textures import Layer, cut

Points = npt.NDArray[np.intp]  # N × height × width, indices into a layer of a sheet


class Portrait:
    """The face of `person`, in each of the `MOUTHS`.

    Attributes:
        sheet: the rows above the mouth, then the rows from there on, once for each kind of mouth.
    """

    def __init__(self, person: Person) -> None:
        self.person = person
        sheet = Sheet.empty()
        _paint_skin(sheet, person)
        paint_face(sheet, person)
        _paint_hairline(sheet, person)
        sheet.set_slopes()
        rows, columns = mouth_window(sheet, person)
        mouths = sheet.copies((rows, columns), len(MOUTHS))
        paint_mouth(mouths, person)
        mouths.set_slopes()
        self._fork, self._rows_below = rows.start, ROWS - rows.start
        self.sheet = sheet.forked(self._fork, len(MOUTHS))
        for number, mouth in enumerate(mouths.layers.swapaxes(0, 1)):
            first = self._fork + number * self._rows_below
            self.sheet.layers[:, first : first + mouth.shape[1], columns] = mouth

    def points(self, column: Layer, row: Layer, mouth: PerImage) -> Points:
        """Indices into a layer of the sheet: the points nearest to N × height × width places.

        Args:
            column, row: the places, counted as if there were a single mouth.
            mouth: N, the number of each image's mouth.
        """
        columns, rows = column.astype(np.int16), row.astype(np.int16)
        columns.clip(0, COLUMNS - 1, out=columns)
        rows.clip(0, ROWS - 1, out=rows)
        further = (mouth * self._rows_below).astype(np.int16)
        rows += (rows >= self._fork) * further[:, None, None]
        points = rows.view(np.uint16)  # there are fewer than 2¹⁶, for mouths lie in the lower half
        points *= COLUMNS
        points += columns.view(np.uint16)
        return points.astype(np.intp)


def _paint_hairline(sheet: Sheet, person: Person) -> None:
    """Sideburns cover the face; where the hair above it ends differs from image to image."""
    rough = cut("fine", person.number * 3, *sheet.forehead.shape)
    square = sheet.x * sheet.x * (1 / (person.width * person.width))
    peak = (person.widow * (1 - 9 * square)).clip(min(person.widow, 0.0), max(person.widow, 0.0))
    sheet.forehead[:] = sheet.y - (peak + 2.2 * person.temple * square * square)
    sheet.forehead -= 4 * rough
    burns = edge((person.width - 2.5 - np.abs(sheet.x)) - 2 * rough, 2.0)
    sheet.cover *= np.maximum(burns, edge(sheet.y + (8 - 10 * min(max(person.hair_reach, 0.0), 1.0)), 8.0))


def _paint_skin(sheet: Sheet, person: Person) -> None:
    """The face without features, and its cover, which narrows from the cheeks to the chin."""
    fall = (sheet.y - person.cheek_height) * (1 / (person.chin - person.cheek_height))
    positive(fall)
    round_ = np.sqrt(positive(1 - fall * fall))
    square = min(max(person.jaw, 0.0), 1.0)
    outline = (round_ * (1 - square) + np.sqrt(round_) * square) * person.width
    sheet.cover[:] = edge(outline - np.abs(sheet.x), 1.5)
    mottled = cut("fine", person.number, *sheet.relief.shape) * 0.06
    mottled += 1
    for plane, primary in zip(sheet.colours, person.skin, strict=True):
        np.multiply(mottled, primary, out=plane)
    chin = sheet.window(0, person.chin - 8, 12, 10)
    dx, dy = sheet.offsets(chin, 0, person.chin - 8)
    sheet.add_relief(chin, blob(dx, dy, 11, 9) * (1.5 + 1.5 * person.jaw))
    if person.cleft > 1:
        sheet.add_relief(chin, blob(dx, dy - 1, 1.8, 5) * -1.0)
