"""Arguments by name: what a user may give to a class, a function or a partial of one."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import pytest

from nsface.arguments import ArgumentError, check_arguments, known_names, unknown_name


class Layer:
    def __init__(
        self, size: int, *, height: int, rate: float = 0.5, kind: Literal["a", "b"] = "a"
    ) -> None: ...


def function(size: int, *, flag: bool = False) -> None: ...


@pytest.mark.parametrize(
    ("factory", "given"),
    [
        (Layer, {}),
        (Layer, {"rate": 0.1, "kind": "b"}),
        (Layer, {"rate": 1}),
        (partial(Layer, rate=0.3), {"kind": "a"}),
        (function, {"flag": True}),
    ],
)
def test_right(factory: Any, given: dict[str, Any]) -> None:
    check_arguments("layer", factory, given, settled=["height"])


@pytest.mark.parametrize(
    ("factory", "given", "message"),
    [
        (
            Layer,
            {"rat": 0.1},
            r"^rat: layer has no such argument \(did you mean 'rate'\?\); there are: rate, kind$",
        ),
        (Layer, {"size": 3}, r"^size: layer has no such argument; there are: rate, kind$"),
        (Layer, {"height": 3}, r"^height: layer has no such argument"),
        (partial(Layer, rate=0.3), {"rate": 0.1}, r"^rate: layer has no such argument; there are: kind$"),
        (partial(function, flag=True), {"flag": True}, r"^flag: layer has no such argument; there are none$"),
        (Layer, {"rate": "0.1"}, r"^rate: input should be a valid number \(got '0\.1'\)$"),
        (Layer, {"rate": True}, r"^rate: input should be a valid number \(got True\)$"),
        (Layer, {"kind": "c"}, r"^kind: input should be 'a' or 'b' \(got 'c'\)$"),
        (function, {"flag": 1}, r"^flag: input should be a valid boolean \(got 1\)$"),
    ],
)
def test_wrong(factory: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        check_arguments("layer", factory, given, settled=["height"])


def test_unknown_names_are_followed_by_the_most_similar_and_by_all_known_names() -> None:
    known = ["center", "triplet"]
    assert known_names("tripet", known) == " (did you mean 'triplet'?); there are: center, triplet"
    assert known_names("xyz", known) == "; there are: center, triplet"
    assert known_names("xyz", []) == "; there are none"
    assert unknown_name("loss", "a\nb", known) == r"no loss is called 'a\nb'; there are: center, triplet"
