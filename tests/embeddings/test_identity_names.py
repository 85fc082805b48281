"""Names of identities: which can be compared, and lists of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsface.embeddings.identity_names import comparable, named_identities, read_names
from nsface.errors import DataError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Zoë_Ball", "zoe ball"),
        ("lfw/ZOE-BALL", "zoe ball"),
        ("ytf/zoe  ball/12", "zoe ball"),
        ("0000003", ""),
        ("", ""),
        ("celeba_00001", "celeba 00001"),
    ],
)
def test_names_are_compared_by_their_words(name: str, expected: str) -> None:
    assert comparable(name) == expected


@pytest.mark.parametrize(
    ("train", "test", "named"),
    [
        (["celeba_00001", "celeba_00002", "Ann_Lee"], ["Bo_Ek"], 1),
        (["id-7", "n000001", "vggface2_n000001"], ["Bo_Ek"], 0),
        (["celeba_00001", "id 2"], ["celeba_00009", "Bo_Ek"], 1),
        (["Ann_Lee", "Cy"], ["celeba_00009", "17"], 2),
        (["Ann_Lee", "Cy"], ["0001", "17"], 0),
    ],
)
def test_numbers_with_a_word_are_names_only_beside_others_of_that_word(
    train: list[str], test: list[str], named: int
) -> None:
    one, two = ([f"{folder}/1.jpg" for folder in folders] for folders in (train, test))
    assert named_identities(one, two) == named


NAMED = [
    ("a\tAnn\na\tBo\n", ":2: a is called 'Bo' here and 'Ann' before"),
    ('n1,"A B"\nn1,"A C"\n', ":2: n1 is called"),
    ("n1 A\n\nn2 B\nn1 B\n", ":4: n1 is called"),
]


@pytest.mark.parametrize(("text", "problem"), NAMED)
def test_an_identity_with_two_names_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "names.txt").write_text(text)
    with pytest.raises(DataError, match=problem):
        read_names(tmp_path / "names.txt")
