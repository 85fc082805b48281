"""The worst errors: both kinds, each with the worst first."""

from __future__ import annotations

from nsface.report.worst_errors import find_worst_errors
from tests.report.made import blufr, lfw, with_errors, wrong

RESULT = with_errors(
    wrong("a", "b", False, 0.6),
    wrong("c", "d", True, 0.1),
    wrong("e", "f", False, 0.8),
    wrong("g", "h", True, -0.2),
    wrong("i", "missing", True, -0.9),
)


def test_both_kinds_with_the_worst_first() -> None:
    found = find_worst_errors("run", RESULT, lambda name: None if name == "missing" else name.encode())
    assert found
    assert [pair.names for pair in found.false_accepts] == [("e", "f"), ("a", "b")]
    assert [pair.names for pair in found.false_rejects] == [("g", "h"), ("c", "d")]
    assert found.false_accepts[0].images == ("data:image/jpeg;base64,ZQ==", "data:image/jpeg;base64,Zg==")


def test_results_without_errors_or_images_have_none() -> None:
    assert find_worst_errors("run", RESULT, lambda name: None) is None
    assert find_worst_errors("run", lfw(0.9), str.encode) is None
    assert find_worst_errors("run", blufr(0.5), str.encode) is None
