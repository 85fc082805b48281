"""Small JPEG files of faces, by name, to stand in a page."""

from __future__ import annotations

import cv2

from nsface.images.decode import decode
from nsface.images.sources import open_source
from nsface.names import Places

QUALITY = 85


class Thumbnails:
    """The images of a source, by name; the extension may differ.

    Raises:
        DataError: no such source, or an image that cannot be decoded.
    """

    def __init__(self, location: str) -> None:
        self._source = open_source(location)
        self._places = Places(self._source.names)

    def __call__(self, name: str) -> bytes | None:
        """The image called `name` as JPEG, of its own size; None where there is none."""
        place = self._places.find(name)
        if place is None:
            return None
        pixels = decode(self._source.read(place), name)
        _, data = cv2.imencode(
            ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        )
        return data.tobytes()
