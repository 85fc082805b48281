"""Names of images against Python's own rules for paths."""

from __future__ import annotations

import posixpath

from hypothesis import given
from hypothesis import strategies as st

from nsface.names import IMAGE_EXTENSIONS, has_image_extension, plain

PARTS = st.sampled_from(["a", ".", "..", "jpg", ".jpg", ".JPEG", ".txt", "/", "é.png", " "])


@given(st.lists(PARTS, max_size=7).map("".join))
def test_an_extension_is_what_splitext_says(name: str) -> None:
    assert has_image_extension(name) == (posixpath.splitext(name)[1].lower() in IMAGE_EXTENSIONS)


@given(st.lists(PARTS, max_size=7).map("".join))
def test_a_plain_name_is_the_one_spelling_of_its_path(name: str) -> None:
    name += "/x.jpg"
    upwards = name.replace("..", "up")  # which stay, as they may be links
    assert plain(name) == posixpath.normpath("/" + upwards).strip("/").replace("up", "..")
    assert plain(plain(name)) == plain(name)
