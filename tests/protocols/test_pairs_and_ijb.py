"""Own lists of pairs, FGLFW's layout, IJB's templates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nsface.embeddings import Embeddings
from nsface.errors import DataError
from nsface.protocols import ijb
from nsface.protocols.fglfw import protocol_name
from nsface.protocols.fglfw import read_pairs as read_fglfw
from nsface.protocols.pairs import read_pairs, with_disjoint_folds


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
    rows = np.column_stack([random.choice(ids, (500, 2)), random.integers(0, 2, 500)])
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
