"""Names of images against Python's own rules for paths."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.names import IMAGE_EXTENSIONS, Places, has_image_extension, plain, repeated

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


@pytest.mark.parametrize(
    ("names", "name", "place"),
    [
        (["a/1.jpg", "a/2.jpg"], "a/2.png", 1),
        (["a/1.jpg", "a/1.png"], "a/1.png", 1),
        (["a/1.jpg", "a/1.png"], "a/1", None),
        (["a/1.jpg", "a/1.png", "a/1"], "a/1", 2),
        (["a/1.jpg"], "b/1.jpg", None),
        (["Jose\u0301/1.jpg"], "Jos\xe9/1.png", 0),
        (["Jose\u0301/1.jpg", "Jos\xe9/1.png"], "Jos\xe9/1", None),
    ],
)
def test_places_are_clear_or_none(names: list[str], name: str, place: int | None) -> None:
    assert Places(names).find(name) == place


def test_a_name_that_stands_twice_is_found_in_one_walk() -> None:
    names = [f"a/{number}.jpg" for number in range(200_000)]
    assert repeated(names) is None
    assert repeated([*names, names[-1]]) == names[-1]
