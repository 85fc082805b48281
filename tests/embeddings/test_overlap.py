"""People of a training set who are in a test set, by their names, pictures and embeddings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nsface.embeddings import Embeddings
from nsface.embeddings.overlap import find_overlap
from nsface.errors import DataError


def embedded(*names: str) -> Embeddings:
    vectors = np.random.default_rng(len(names)).normal(size=(len(names), 6)).astype(np.float32)
    return Embeddings(list(names), vectors)


@pytest.mark.parametrize("test", ["Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/0/0.1.jpg", "ytf/ann lee/12/7.jpg"])
def test_photographs_and_videos_are_matched_by_the_name_of_the_person(test: str) -> None:
    train = embedded("Ann_Lee/1.jpg", "Bo_Ek/1.jpg", "0000003/1.jpg")
    found = {m.identity: m for m in find_overlap(train, embedded(test, "Cy_Do/3/3.1.jpg")).matches}
    assert found["Ann_Lee"].person == test.rpartition("/")[0]
    assert [identity for identity, match in found.items() if match.by_name] == ["Ann_Lee"]


def test_numbers_are_no_names() -> None:
    matches = find_overlap(embedded("0000003/1.jpg", "0/2.jpg"), embedded("7/1.jpg", "0/0.1.jpg")).matches
    assert not any(match.by_name for match in matches)


def test_lead_is_over_the_other_identity_that_is_most_like_the_person() -> None:
    train = embedded(*(f"{number:03}/{image}.jpg" for number in range(12) for image in range(2)))
    test = embedded(*(f"Person_{number:02}/1.jpg" for number in range(5)))

    def templates(embeddings: Embeddings, images: int) -> npt.NDArray[np.float64]:
        vectors = np.asarray(embeddings.vectors).astype(np.float64)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        means = vectors.reshape(-1, images, vectors.shape[1]).mean(axis=1)
        normalised: npt.NDArray[np.float64] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return normalised

    scores = templates(train, 2) @ templates(test, 1).T
    matches = find_overlap(train, test).matches
    assert 0 < sum(match.lead > 0 for match in matches) <= 5
    for match in matches:
        row, column = int(match.identity), int(match.person[-2:])
        others = np.delete(scores[:, column], row)
        assert match.lead == pytest.approx(scores[row, column] - others.max(), abs=1e-6)


def test_lead_where_there_is_no_other_identity() -> None:
    (match,) = find_overlap(embedded("003/1.jpg"), embedded("Ann_Lee/1.jpg", "Bo_Ek/1.jpg")).matches
    assert match.lead == match.score + 1


def test_every_way_finds_its_own_and_those_found_come_first() -> None:
    names = ["Ann_Lee/1.jpg", "0000002/1.jpg", "0000003/1.jpg", "0000004/1.jpg"]
    train = Embeddings(names, np.eye(4, dtype=np.float32))
    people = ["ann lee/1.jpg", "Bo_Ek/1.jpg", "Cy_Do/1.jpg"]
    test = Embeddings(people, np.eye(4, dtype=np.float32)[[3, 1, 2]])
    overlap = find_overlap(train, test, pictures=[(2, 1)], threshold=0.9)
    assert overlap.found_by == {
        "names": ["Ann_Lee"],
        "pictures": ["0000003"],
        "embeddings": ["0000002", "0000004"],
    }
    assert {m.identity: m.person for m in overlap.found} == {
        "Ann_Lee": "ann lee", "0000002": "Bo_Ek", "0000003": "Bo_Ek", "0000004": "ann lee",
    }  # fmt: skip
    fewer = find_overlap(train, test)
    assert fewer.found_by == {"names": ["Ann_Lee"]}
    assert fewer.first(2)[0].identity == "Ann_Lee"
    assert len(fewer.first(0)) == 1
    assert [m.lead for m in find_overlap(train, test, order="lead").matches] == sorted(
        (m.lead for m in fewer.matches), reverse=True
    )


def test_identities_found_are_listed_for_exclude() -> None:
    overlap = find_overlap(embedded("Bo_Ek/1.jpg", "Ann_Lee/1.jpg"), embedded("ann lee/1.jpg", "bo ek/2.jpg"))
    head, *lines = overlap.exclusion_list().splitlines()
    assert head.startswith("# identities of ")
    assert head.endswith(", by name")
    assert lines == ["Ann_Lee", "Bo_Ek"]


@pytest.mark.parametrize("identity", ["#Ann", " Ann", "Ann\x85Lee", "Ann\udce9"])
def test_an_identity_that_no_line_can_hold_is_named(identity: str) -> None:
    overlap = find_overlap(embedded(f"{identity}/1.jpg"), embedded(f"{identity}/2.jpg"))
    with pytest.raises(DataError, match="cannot hold the identity"):
        overlap.exclusion_list()
