"""A person's portrait and conditions in, pixels out.

Everything is painted with elementwise float32 and integer arithmetic of NumPy: sums, products, quotients
and square roots are rounded exactly by the standard, so the pixels are the same with any vector width,
number of threads or version. Functions that are not exactly rounded are not used: exp, sin, matrix products,
sums of many floats. OpenCV is used only where its results are exact: for table lookups, for interleaving,
and for filters whose sums are exact.

An array holds several images of one person, N × height × width, because for a single image the overhead of
NumPy's calls would be as large as the work.
"""

from __future__ import annotations

import numpy as np

from nsface.synthetic.camera import Pixels, light, photograph
from nsface.synthetic.canvas import EVERYWHERE, Canvas, unit
from nsface.synthetic.conditions import Conditions
from nsface.synthetic.portrait import Portrait
from nsface.synthetic.pose import Pose, Size, View
from nsface.synthetic.surroundings import hairless, paint_behind, paint_in_front

__all__ = ["Pixels", "Size", "render"]

_TOGETHER = 24  # images drawn at once: enough to hide the overhead of NumPy's calls, few enough for the cache


def render(portrait: Portrait, conditions: Conditions, size: Size = Size.H112_W96) -> list[Pixels]:
    """Draw a person under N `conditions`, aligned to the template: N times uint8, height × width × 3, RGB.

    An image does not depend on those it is drawn together with.
    """
    count = len(conditions.mouth)
    pose = Pose.of(portrait.person, conditions)
    images: list[Pixels] = []
    for some in np.array_split(np.arange(count), -(-count // _TOGETHER)):
        part = conditions.part(some)
        images += _photographs(portrait, View(portrait.person, part, pose.part(some), size), part)
    return images


def _photographs(portrait: Portrait, view: View, conditions: Conditions) -> list[Pixels]:
    """A face, and all around it, seen in N ways."""
    person, sheet = portrait.person, portrait.sheet
    points = view.points(portrait, conditions.mouth)
    canvas = Canvas(np.empty((3, *view.x.shape), np.float32))
    paint_behind(canvas, view, person, conditions)
    cover = sheet.cover.take(points)
    cover *= unit(view.depth * 0.25 - 0.25)
    free = hairless(view, portrait, points, conditions)
    cover[:, : free.shape[1]] *= free
    canvas.paint(EVERYWHERE, cover, (layer.take(points) for layer in sheet.colours))
    paint_in_front(canvas, view, person, conditions)
    light(canvas, view, conditions, (layer.take(points) for layer in sheet.slopes))
    return photograph(canvas, conditions)
