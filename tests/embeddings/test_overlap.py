"""People of a training set who are in a test set, by their names and by embeddings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nsface.embeddings import Embeddings
from nsface.embeddings.identity_names import named_identities
from nsface.embeddings.overlap import find_overlap


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
    one, two = (embedded(*(f"{folder}/1.jpg" for folder in folders)) for folders in (train, test))
    assert named_identities(one.names, two.names) == named


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
