"""Own lists of pairs, FGLFW's layout, IJB's templates."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from nsface.embeddings import Embeddings
from nsface.errors import DataError
from nsface.protocols import templates as ijb
from nsface.protocols.fglfw import protocol_name
from nsface.protocols.fglfw import read_pairs as read_fglfw
from nsface.protocols.pairs import read_pairs, with_disjoint_folds
from nsface.results.values import to_json


def test_fold_column(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("A/1.jpg\tA/2.jpg\t1\t3\nA/1.jpg\tB/1.jpg\t0\t7\n")
    assert read_pairs(path).fold.tolist() == [3, 7]


def test_disjoint_folds_share_nobody_and_are_even(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = []
    for _ in range(600):
        a, b = random.integers(0, 3, 2) + 3 * random.integers(0, 60)  # groups of three people
        lines.append(f"P{a}/1.jpg\tP{b}/2.jpg\t{int(a == b)}\n")
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(lines))
    trials = read_pairs(path)
    assert trials.folds == 1
    made = with_disjoint_folds(trials)
    assert made is not None
    assert made.folds == 10
    assert made.people_in_several_folds() == []
    assert np.bincount(made.fold).max() <= 66


@pytest.mark.parametrize(
    "text",
    [
        "1.jpg\t2.jpg\t1\n" * 20,  # nobody knows who these are
        "".join(f"A/{i}.jpg\tB{i}/1.jpg\t0\n" for i in range(40)),  # one person in all pairs
        "".join(f"A{i}/1.jpg\tB{i}/1.jpg\t0\n" for i in range(9)),  # fewer groups than folds
    ],
)
def test_where_disjoint_folds_cannot_be_made(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(text)
    assert with_disjoint_folds(read_pairs(path)) is None


def fglfw_lines(count: int) -> list[str]:
    lines = []
    for fold in range(10):
        lines += [f"F{fold}P{k}/{i}.jpg" for k in range(count) for i in (1, 2)]
        lines += [f"F{fold}{who}{k}/1.jpg" for k in range(count) for who in "PQ"]
    return lines


@pytest.mark.parametrize(("count", "name"), [(300, "fglfw"), (1, "fglfw-like"), (50, "fglfw-like")])
def test_fglfw_labels_change_every_600_lines_not_300(tmp_path: Path, count: int, name: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\n".join(fglfw_lines(count)))
    trials = read_fglfw(path)
    assert trials.same.tolist() == ([True] * count + [False] * count) * 10
    assert trials.fold.tolist() == sorted([*range(10)] * 2 * count)
    assert trials.people_in_several_folds() == []
    assert protocol_name(trials) == name


def test_fglfw_cut_short_is_not_taken_for_a_smaller_list(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\n".join(fglfw_lines(300)[:-40]))
    with pytest.raises(
        DataError, match=r"list.txt:599: pair 1 of two people in fold 1 is .*11960 lines are 299"
    ):
        read_fglfw(path)


def test_ijb_averages_media_sums_them_and_normalises() -> None:
    vectors = np.array([[1, 0], [3, 0], [0, 4], [5, 5]], dtype=np.float32)
    embeddings = Embeddings(["4.jpg", "2.jpg", "3.jpg", "1.jpg"], vectors)
    faces = ijb.Faces(["4.jpg", "2.jpg", "3.jpg", "1.jpg"], np.array([8, 8, 8, 3]), np.array([1, 1, 2, 1]))
    templates = ijb.template_vectors(embeddings, faces)
    expected = np.array([[5, 5], [2, 4]], dtype=float)  # templates 3 and 8; medium 1 of 8 averages to (2, 0)
    np.testing.assert_allclose(
        templates, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6
    )


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
def test_ijb_templates_match_loops(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(ijb, "_FACES", at_once)
    random = np.random.default_rng(at_once)
    names = [f"{i}.jpg" for i in random.permutation(200)]
    vectors = random.normal(size=(200, 6)).astype(np.float32)
    templates, media = 3 * random.integers(0, 25, 200), random.integers(0, 4, 200)
    made = ijb.template_vectors(Embeddings(names, vectors), ijb.Faces(names, templates, media))
    expected = []
    for template in sorted(set(templates.tolist())):
        total = np.zeros(6)
        for medium in set(media[templates == template].tolist()):
            total += vectors[(templates == template) & (media == medium)].astype(float).mean(axis=0)
        expected.append(total / np.linalg.norm(total))
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_ijb_lists_in_parts_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    ids = np.array([2, 5, 9, 700])
    faces = ijb.Faces(["x"] * 4, ids, np.ones(4, dtype=int))
    left, right = random.choice(list(itertools.permutations(ids, 2)), 500).T
    rows = np.column_stack([left, right, (left + right) % 2])
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(" ".join(map(str, row)) for row in rows))
    monkeypatch.setattr(ijb, "_CHUNK_BYTES", 100)
    pairs = ijb.read_template_pairs(path, faces)
    np.testing.assert_array_equal(np.column_stack([ids[pairs.left], ids[pairs.right], pairs.same]), rows)
    path.write_text("2 5\n5 2 9 0\n9 2 1\n")  # nine numbers, but not three a line
    with pytest.raises(DataError, match=rf"{path}:1: "):
        ijb.read_template_pairs(path, faces)
    path.write_text("\n".join(" ".join(map(str, row)) for row in rows))
    path.write_text(path.read_text().replace("\n", "\nx", 401).replace("\nx", "\n", 400))
    with pytest.raises(DataError, match=rf"{path}:402: "):
        ijb.read_template_pairs(path, faces)


CONTRADICTIONS = [
    ("A/1.jpg\tA/2.jpg\t1\nB/1.jpg\tA/2.jpg\t0\nA/1.jpg\tA/2.jpg\t0\n", 3, 1),
    ("B/1.jpg\tA/2.jpg\t0\nA/2.jpg\tB/1.jpg\t1\n", 2, 1),  # the other way round
    ("A/1.jpg\tA/2.jpg\t1\t0\nA/1.jpg\tA/2.jpg\t0\t1\n", 2, 1),  # in another fold
    ("A/1\tA/2.jpg\t1\n./A/1.png\tA/2\t0\n", 2, 1),  # the same images, written otherwise
    ("1.jpg 1\n2.jpg 1\n3.jpg 0\n4.jpg 0\n2.jpg 0\n1.jpg 0\n", 6, 2),
]


@pytest.mark.parametrize(("text", "line", "other"), CONTRADICTIONS)
def test_a_pair_with_two_labels_is_refused_with_both_lines(
    tmp_path: Path, text: str, line: int, other: int
) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"pairs\.txt:{line}: .* in line {other};"):
        read_pairs(path)


@pytest.mark.parametrize("text", ["2 5 1\n2 9 0\n2 5 0\n", "9 5 0\n2 9 0\n5 9 1\n", "5 2 0\n5 9 0\n2 5 1\n"])
@pytest.mark.parametrize("failures", [False, True])
def test_template_pairs_with_two_labels_are_refused(tmp_path: Path, text: str, failures: bool) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    faces = ijb.Faces(["x"] * 3, np.array([2, 5, 9]), np.ones(3, dtype=int))
    label = text.split("\n")[2][-1]
    with pytest.raises(DataError, match=rf"pairs\.txt:3: .*label {label} here, and another in line 1"):
        ijb.read_template_pairs(path, faces, failures)


@pytest.mark.parametrize(
    "text", ["a/1 a/2 1\na/2 a/1 0\n", "a/1 a/2 1\na/1 a/2 1\n", "a/1.png a/2 1\na/1 a/2 0\n"]
)
def test_errata_that_correct_a_pair_twice_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pairs.txt").write_text("a/1.jpg\ta/2.jpg\t0\na/1.jpg\tb/1.jpg\t0\n")
    (tmp_path / "errata.txt").write_text(text)
    with pytest.raises(DataError, match=r"errata\.txt:2: .* stand in line 1 already"):
        read_pairs(tmp_path / "pairs.txt").with_labels(tmp_path / "errata.txt")


def two_lines(labels: list[int]) -> str:
    return "".join(f"P_{k}_1.jpg {label}\nP_{k}_2.jpg {label}\n" for k, label in enumerate(labels))


def test_two_lines_a_pair(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    for text in (two_lines([1, 0, 1]), two_lines([1, 0, 1]).replace(" ", "\t"), two_lines([4, 0, 1])):
        path.write_text(text)
        trials = read_pairs(path)
        assert trials.left == ["P_0_1.jpg", "P_1_1.jpg", "P_2_1.jpg"]
        assert trials.right == ["P_0_2.jpg", "P_1_2.jpg", "P_2_2.jpg"]
        assert trials.same.tolist() == [True, False, True]
        assert trials.folds == 1
        assert trials.people_in_several_folds() == []
    path.write_text("a.jpg 1\nb c.jpg 1\n")
    assert read_pairs(path).right == ["b c.jpg"]
    path.write_text("a.jpg b.jpg 1\n")  # blanks where tabs belong
    with pytest.raises(DataError, match="name<TAB>name"):
        read_pairs(path)


@pytest.mark.parametrize(
    "labels",
    [
        ([1] * 300 + [0] * 300) * 10,  # the order of CPLFW: fold after fold
        [1, 0] * 3000,
    ],
)
def test_folds_of_cplfw_are_runs_of_600_pairs(tmp_path: Path, labels: list[int]) -> None:
    (tmp_path / "pairs.txt").write_text(two_lines(labels))
    trials = read_pairs(tmp_path / "pairs.txt")
    assert trials.fold.tolist() == [k // 600 for k in range(6000)]


def test_folds_of_calfw_are_its_labels(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    positive = random.permutation(np.repeat(np.arange(1, 11), 300)).tolist()
    (tmp_path / "pairs.txt").write_text(two_lines(positive + [0] * 3000))
    trials = read_pairs(tmp_path / "pairs.txt")
    assert trials.same.tolist() == [True] * 3000 + [False] * 3000
    assert (trials.fold[:3000] + 1).tolist() == positive
    assert trials.fold[3000:].tolist() == [k // 300 for k in range(3000)]
    for fold in range(10):
        assert np.bincount(trials.same[trials.fold == fold]).tolist() == [300, 300]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a.jpg 1\nb.jpg 0\n", 2),  # labels differ
        ("a.jpg 1\nb.jpg 1\nc.jpg 0\n", 3),  # the last has no second line
        ("a.jpg 1\na.jpg 1\n", 2),
        ("a.jpg 1\nb.jpg -1\n", 2),
        ("a.jpg 11\nb.jpg 11\n", 1),
        ("a.jpg 1\nb.jpg\n", 2),
        ("a.jpg 1\nb.jpg 99999999999999999999\n", 2),
    ],
)
def test_two_lines_that_are_no_pair(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(DataError, match=rf"pairs\.txt:{line}: "):
        read_pairs(tmp_path / "pairs.txt")


def test_names_without_folders_are_nobody_in_several_folds(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("1.jpg\t2.jpg\t1\t0\n3.jpg\t4.jpg\t0\t1\nA/1.jpg\t5.jpg\t0\t1\n")
    assert read_pairs(tmp_path / "pairs.txt").people_in_several_folds() == []


def test_more_folds_than_a_list_has(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("".join(f"{k}.jpg\tx{k}.jpg\t{k % 2}\t{k}\n" for k in range(101)))
    with pytest.raises(DataError, match="101 folds"):
        read_pairs(tmp_path / "pairs.txt")


NO_NUMBERS = [
    "1 - 0",
    "1 2",
    "1 2 1 1",
    "+1 2 0",
    "1-2 0 1",
    "1 2 2",
    "1 2 0\x0b",
    "1 99999999999999999999999 0",
    "١ 2 0",
]


@pytest.mark.parametrize("line", NO_NUMBERS)
@pytest.mark.parametrize("failures", [False, True])
def test_a_template_pair_that_is_none(tmp_path: Path, line: str, failures: bool) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(f"1 2 1\n{line}\n1 1 1\n")
    faces = ijb.Faces(["x", "y"], np.array([1, 2]), np.array([1, 1]))
    with pytest.raises(DataError, match=r"pairs\.txt:[12]: "):
        ijb.read_template_pairs(path, faces, failures)


@pytest.mark.parametrize("text", ["2 2 1\n", "2 5 1\n5 5 0\n", "5 2 1\n2 9 0\n9 9 1\n9 9 0\n"])
@pytest.mark.parametrize("failures", [False, True])
def test_a_template_is_not_compared_with_itself(tmp_path: Path, text: str, failures: bool) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    faces = ijb.Faces(["x"] * 3, np.array([2, 5, 9]), np.ones(3, dtype=int))
    line = next(
        number for number, pair in enumerate(text.split("\n"), 1) if pair.split()[0] == pair.split()[1]
    )
    with pytest.raises(
        DataError, match=rf"pairs\.txt:{line}: template {text.split(chr(10))[line - 1][0]} is "
    ):
        ijb.read_template_pairs(path, faces, failures)


# one person in two folders, two people in one, or both: the folders are not people
def _no_people(kind: str) -> str:
    lines = []
    for p in range(40):
        q = (p + 1) % 40
        names = {
            "parts": (f"{p}/front/1.jpg", f"{p}/side/1.jpg", f"{q}/side/1.jpg"),
            "cameras": (f"one/{p}.jpg", f"two/{p}.jpg", f"two/{q}.jpg"),
            "batches": (f"{p % 7}/{p}.jpg", f"{p % 7}/{p}b.jpg", f"{p % 7}/{q}.jpg"),
        }[kind]
        lines += [f"{names[0]}\t{names[1]}\t1\t{p % 4}\n", f"{names[0]}\t{names[2]}\t0\t{p % 4}\n"]
    return "".join(lines)


@pytest.mark.parametrize("kind", ["parts", "cameras", "batches"])
def test_folders_that_the_labels_contradict_are_not_people(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(_no_people(kind))
    trials = read_pairs(path)
    assert trials.contradictions >= 40
    assert trials.people is None
    assert trials.people_in_several_folds() == []
    assert with_disjoint_folds(trials) is None


def test_a_few_wrong_labels_leave_folders_people(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    lines = [f"{p}/1.jpg\t{p}/2.jpg\t{int(p > 0)}\n{p}/1.jpg\t{p + 1}/2.jpg\t0\n" for p in range(20)]
    path.write_text("".join(lines))
    trials = read_pairs(path)
    assert trials.contradictions == 1
    assert trials.people is not None


def test_failures_to_enrol_score_below_all_others_and_are_counted(tmp_path: Path) -> None:
    names = ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    listed = ijb.Faces([*names, "none.jpg", "lost.jpg"], np.array([1, 2, 3, 4, 4, 5]), np.arange(6))
    vectors = np.array([[1, 0], [-1, 0], [0, 0], [1, 1]], dtype=np.float32)
    embeddings = Embeddings(names, vectors)
    path = tmp_path / "pairs.txt"
    path.write_text("1 2 0\n1 4 1\n5 1 1\n2 77 0\n5 77 0\n3 1 0\n")
    with pytest.raises(DataError, match=r"template 77 has no faces; .*--failure-to-enrol lowest"):
        ijb.read_template_pairs(path, listed)
    enrolled = ijb.with_embedding(listed, embeddings)
    assert enrolled.images == names
    pairs = ijb.read_template_pairs(path, enrolled, failures=True)
    scores = ijb.score_templates(ijb.template_vectors(embeddings, enrolled), pairs)
    np.testing.assert_allclose(scores, [-1, 0.5**0.5, -2, -2, -2, 0], atol=1e-6)
    assert pairs.same.tolist() == [False, True, True, False, False, False]
    counted = {"faces": 2, "templates": 2, "pairs": 3, "genuine": 1}
    assert to_json(ijb.failures(listed, enrolled, pairs)) == counted
    with pytest.raises(DataError, match="6 of 6 images"):
        ijb.with_embedding(listed, Embeddings(["x.jpg"], vectors[:1]))
