"""LFW's lists, the made and the official ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nsface.errors import DataError
from nsface.protocols.lfw import Person, read_pairs, read_people

LIST = "2\t1\nA\t1\t2\nA\t1\tB\t3\nC\t2\t1\nC\t1\tD\t1\n"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "list.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        LIST,
        LIST.replace("\t", " "),
        LIST.replace("\n", "\r\n"),
        "\ufeff" + LIST,
        LIST + "\n \n\n",
        LIST.rstrip(),
    ],
)
def test_pairs_however_they_were_saved(tmp_path: Path, text: str) -> None:
    trials = read_pairs(write(tmp_path, text))
    assert trials.left == ["A/A_0001.jpg", "A/A_0001.jpg", "C/C_0002.jpg", "C/C_0001.jpg"]
    assert trials.right == ["A/A_0002.jpg", "B/B_0003.jpg", "C/C_0001.jpg", "D/D_0001.jpg"]
    assert trials.same.tolist() == [True, False, True, False]
    assert trials.fold.tolist() == [0, 0, 1, 1]


def test_the_first_line_is_read_not_dropped(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"list.txt:1: the header is missing"):
        read_pairs(write(tmp_path, LIST.partition("\n")[2]))


def test_a_short_list_is_not_padded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"list.txt:4: the list ends after 3 of 4 pairs"):
        read_pairs(write(tmp_path, "".join(LIST.splitlines(True)[:-1])))


def test_errata_change_labels(tmp_path: Path) -> None:
    trials = read_pairs(write(tmp_path, LIST))
    errata = tmp_path / "errata.txt"
    errata.write_text("B/B_0003 A/A_0001.jpg 1\n")
    assert trials.with_labels(errata).same.tolist() == [True, True, True, False]
    for text, problem in [
        ("A/A_0001 A/A_0002 1", "is 1 already"),
        ("A/A_0001 A/A_0009 1", "no pair of"),
        ("A/A_0001 A/A_0002 2", "no label"),
    ]:
        errata.write_text(text)
        with pytest.raises(DataError, match=rf"errata.txt:1: .*{problem}"):
            trials.with_labels(errata)


def test_people(tmp_path: Path) -> None:
    text = "2\n2\nA\t1\nB\t3\n1\nC\t2\n"
    assert read_people(write(tmp_path, text)) == [[Person("A", 1), Person("B", 3)], [Person("C", 2)]]
    assert read_people(write(tmp_path, "2\nA\t1\nB\t3\n")) == [[Person("A", 1), Person("B", 3)]]


@pytest.mark.real
def test_official_pairs(real_data: Path) -> None:
    trials = read_pairs(real_data / "lists" / "pairs.txt")
    assert len(trials) == 6000
    assert trials.people_in_several_folds() == []
    assert trials.repeated() == 0
    counts = np.zeros((10, 2), dtype=int)
    np.add.at(counts, (trials.fold, trials.same.astype(int)), 1)
    assert (counts == 300).all()


@pytest.mark.real
@pytest.mark.parametrize(("name", "pairs"), [("pairsDevTrain.txt", 2200), ("pairsDevTest.txt", 1000)])
def test_official_view_1(real_data: Path, name: str, pairs: int) -> None:
    trials = read_pairs(real_data / "lists" / name)
    assert (len(trials), int(trials.same.sum()), trials.folds) == (pairs, pairs // 2, 1)


@pytest.mark.real
def test_official_people(real_data: Path) -> None:
    people = read_people(real_data / "lists" / "people.txt")
    assert len(people) == 10
    assert sum(map(len, people)) == 5749
    assert sum(person.images for fold in people for person in fold) == 13233
    assert sum(map(len, read_people(real_data / "lists" / "peopleDevTrain.txt"))) == 4038
