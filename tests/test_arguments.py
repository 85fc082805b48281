"""Arguments by name: what a user may give to a class, a function or a partial of one."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import pytest

from nsface.arguments import ArgumentError, check_arguments, near


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
            r"^rat: layer has no such .*; did you mean 'rate'\? it is one of: rate, kind$",
        ),
        (Layer, {"size": 3}, r"^size: layer has no such argument; it is one of: rate, kind$"),
        (Layer, {"height": 3}, r"^height: layer has no such argument"),
        (partial(Layer, rate=0.3), {"rate": 0.1}, r"^rate: layer has no such argument; it is one of: kind$"),
        (partial(function, flag=True), {"flag": True}, r"^flag: layer has no such argument; it takes none$"),
        (Layer, {"rate": "0.1"}, r"^rate: input should be a valid number \(got '0\.1'\)$"),
        (Layer, {"rate": True}, r"^rate: input should be a valid number \(got True\)$"),
        (Layer, {"kind": "c"}, r"^kind: input should be 'a' or 'b' \(got 'c'\)$"),
        (function, {"flag": 1}, r"^flag: input should be a valid boolean \(got 1\)$"),
    ],
)
def test_wrong(factory: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        check_arguments("layer", factory, given, settled=["height"])


def test_near() -> None:
    assert near("tripet", ["center", "triplet"]) == "; did you mean 'triplet'? it is one of: center, triplet"
    assert near("xyz", ["center", "triplet"]) == "; it is one of: center, triplet"
    assert near("xyz", []) == "; it takes none"
