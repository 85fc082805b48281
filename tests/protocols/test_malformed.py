"""A corpus of lists as they go wrong: each works as a person expects, or is one line with file and line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.errors import DataError
from nsface.protocols import bin_file, fglfw, identification_lists, lfw, pairs, templates, ytf

LFW = "2\t1\nA\t1\t2\nA\t1\tB\t3\nC\t2\t1\nC\t1\tD\t1\n"
PEOPLE = "2\n2\nA\t1\nB\t3\n1\nC\t2\n"
YTF = "1, 1, A/1, A/2, 1\n1, 2, A/1, B/0, 0\n"
PAIRS = "A/1.jpg\tA/2.jpg\t1\nA/1.jpg\tB/1.jpg\t0\n"
NAMED = "A/1.jpg\nB/1.jpg\tB\n"
FACES = "1.jpg 1 1\n2.jpg 2 1\n"
TEMPLATES = "1 2 0\n1 3 1\n"
FGLFW = "".join(
    f"P{k}/1.jpg\nP{k}/2.jpg\n" if half == 0 else f"P{k}/1.jpg\nQ{k}/1.jpg\n"
    for fold in range(10)
    for half in (0, 1)
    for k in range(300)
)
LONG = "x" * 10_000_000


def template_pairs(path: Path) -> Any:
    return templates.read_template_pairs(
        path, templates.Faces(["1.jpg", "2.jpg", "3.jpg"], np.array([1, 2, 3]), np.ones(3, dtype=int))
    )


def subjects(path: Path) -> list[str]:
    return identification_lists.read_subjects(path, [])


READERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "pairs.txt": (lfw.read_pairs, LFW),
    "people.txt": (lfw.read_people, PEOPLE),
    "splits.txt": (ytf.read_splits, YTF),
    "pair_FGLFW.txt": (fglfw.read_pairs, FGLFW),
    "own.tsv": (pairs.read_pairs, PAIRS),
    "gallery.txt": (identification_lists.read_named, NAMED),
    "subjects.txt": (subjects, "A\nB\n"),
    "faces.txt": (templates.read_faces, FACES),
    "templates.txt": (template_pairs, TEMPLATES),
}
EVERYWHERE: dict[str, Callable[[str], bytes]] = {
    "empty": lambda text: b"",
    "blank": lambda text: b"\n \n\n",
    "binary": lambda text: bytes(range(256)) * 4,
    "utf-16": lambda text: text.encode("utf-16"),
    "long line": lambda text: text.encode() + LONG.encode(),
    "junk at the end": lambda text: text.encode() + b"what\tis\tthis\there\tfor\n",
}


@pytest.mark.parametrize("damage", EVERYWHERE)
@pytest.mark.parametrize("name", READERS)
def test_damage_common_to_all_lists(tmp_path: Path, name: str, damage: str) -> None:
    read, text = READERS[name]
    refused(read, tmp_path / name, EVERYWHERE[damage](text))


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("save", ["bom", "crlf", "blank lines at the end", "no last line end"])
def test_how_editors_save_makes_no_difference(tmp_path: Path, name: str, save: str) -> None:
    read, text = READERS[name]
    saved = {
        "bom": "\ufeff" + text,
        "crlf": text.replace("\n", "\r\n"),
        "blank lines at the end": text + "\n\n",
        "no last line end": text.removesuffix("\n"),
    }[save]
    path = tmp_path / name
    path.write_bytes(text.encode())
    expected = read(path)
    path.write_bytes(saved.encode())
    assert repr(read(path)) == repr(expected)


BAD = [
    ("pairs.txt", "header missing", LFW.partition("\n")[2], 1),
    ("pairs.txt", "header of words", LFW.replace("2\t1\n", "folds\tpairs\n", 1), 1),
    ("pairs.txt", "no folds", LFW.replace("2\t1\n", "0\t1\n", 1), 1),
    ("pairs.txt", "commas", LFW.replace("A\t1\t2", "A,1,2"), 2),
    ("pairs.txt", "column missing", LFW.replace("A\t1\t2", "A\t1"), 2),
    ("pairs.txt", "column too many", LFW.replace("A\t1\tB\t3", "A\t1\tB\t3\t4"), 3),
    ("pairs.txt", "matched and mismatched swapped", "2\t1\nA\t1\tB\t3\nA\t1\t2\n", 2),
    ("pairs.txt", "negative index", LFW.replace("A\t1\t2", "A\t-1\t2"), 2),
    ("pairs.txt", "index zero", LFW.replace("A\t1\t2", "A\t0\t2"), 2),
    ("pairs.txt", "fraction", LFW.replace("A\t1\t2", "A\t1.5\t2"), 2),
    ("pairs.txt", "Arabic digits", LFW.replace("A\t1\t2", "A\t١\t2"), 2),
    ("pairs.txt", "huge index", LFW.replace("A\t1\t2", "A\t1\t" + "9" * 30), 2),
    ("pairs.txt", "with itself", LFW.replace("A\t1\t2", "A\t1\t1"), 2),
    ("pairs.txt", "mismatch of one person", LFW.replace("A\t1\tB\t3", "A\t1\tA\t3"), 3),
    ("pairs.txt", "short", "".join(LFW.splitlines(True)[:4]), 4),
    ("pairs.txt", "header only", "2\t1\n", 1),
    ("pairs.txt", "people.txt in its place", "2\n3\nA\t1\nB\t1\nC\t1\n1\nD\t2\n", 2),
    ("pairs.txt", "blank line inside", LFW.replace("\nC\t2", "\n\nC\t2"), 4),
    ("pairs.txt", "Latin-1", LFW.replace("B", "B\xe9").encode("latin-1"), 3),
    ("pairs.txt", "zero byte", LFW.replace("B", "B\0"), 3),
    ("people.txt", "count missing", "2\n2\nA\t1\nB\t3\nC\t2\n", 5),
    ("people.txt", "name twice", PEOPLE.replace("C\t2", "A\t2"), 6),
    ("people.txt", "short", "".join(PEOPLE.splitlines(True)[:3]), 3),
    ("people.txt", "fold missing", "".join(PEOPLE.splitlines(True)[:4]), 4),
    ("people.txt", "no images", PEOPLE.replace("B\t3", "B\t0"), 4),
    ("people.txt", "only a header", "10\n", 1),
    ("splits.txt", "only a header", "split, index, A, B, same\n", 2),
    ("splits.txt", "tabs", YTF.replace(", ", "\t"), 1),
    ("splits.txt", "label missing", YTF.replace("A/2, 1", "A/2"), 1),
    ("splits.txt", "label of words", YTF.replace("A/2, 1", "A/2, yes"), 1),
    ("splits.txt", "label contradicts", YTF.replace("B/0, 0", "B/0, 1"), 2),
    ("splits.txt", "index twice", YTF.replace("1, 2, A", "1, 1, A"), 2),
    ("splits.txt", "no video", YTF.replace("A/2", "A"), 1),
    ("splits.txt", "with itself", YTF.replace("A/2", "A/1"), 1),
    ("splits.txt", "unbalanced", YTF.splitlines(True)[0], 1),
    ("splits.txt", "empty field", YTF.replace("A/2,", ","), 1),
    ("pair_FGLFW.txt", "two lines short", FGLFW.rpartition("\nP")[0], 11998),
    ("pair_FGLFW.txt", "a header", "10\t300\n" + FGLFW, 12001),
    (
        "pair_FGLFW.txt",
        "labels swapped",
        "".join(FGLFW.splitlines(True)[600:] + FGLFW.splitlines(True)[:600]),
        1,
    ),
    ("pair_FGLFW.txt", "no folder", FGLFW.replace("P0/1.jpg", "P0_1.jpg", 1), 1),
    ("pair_FGLFW.txt", "two paths", FGLFW.replace("P0/1.jpg", "P0/1.jpg\tP0/2.jpg", 1), 1),
    ("own.tsv", "commas", PAIRS.replace("\t", ","), 1),
    ("own.tsv", "label 2", PAIRS.replace("\t0", "\t2"), 2),
    ("own.tsv", "label -1", PAIRS.replace("\t0", "\t-1"), 2),
    ("own.tsv", "label missing", PAIRS.replace("\t0", ""), 2),
    ("own.tsv", "fold on one line", PAIRS.replace("\t0", "\t0\t1"), 2),
    ("own.tsv", "negative fold", PAIRS.replace("\t1\n", "\t1\t-1\n"), 1),
    ("own.tsv", "with itself", PAIRS.replace("A/2.jpg", "A/1.jpg"), 1),
    ("gallery.txt", "twice", NAMED + "A/1.jpg\n", 3),
    ("gallery.txt", "nobody", "1.jpg\n", 1),
    ("gallery.txt", "three columns", "A/1.jpg\tA\t1\n", 1),
    ("subjects.txt", "twice", "A\nB\nA\n", 3),
    ("subjects.txt", "two names", "A B\n", 1),
    ("faces.txt", "medium missing", FACES.replace("2.jpg 2 1", "2.jpg 2"), 2),
    ("faces.txt", "negative template", FACES.replace("2.jpg 2", "2.jpg -2"), 2),
    ("templates.txt", "unknown template", TEMPLATES.replace("1 3 1", "1 9 1"), 2),
    ("templates.txt", "label missing", TEMPLATES.replace("1 2 0", "1 2"), 1),
    ("templates.txt", "label 2", TEMPLATES.replace("1 3 1", "1 3 2"), 2),
    ("templates.txt", "words", TEMPLATES.replace("1 3 1", "one 3 1"), 2),
]


@pytest.mark.parametrize(
    ("name", "content", "line"), [(n, c, i) for n, _, c, i in BAD], ids=[b[1] for b in BAD]
)
def test_malformed_lists(tmp_path: Path, name: str, content: str | bytes, line: int) -> None:
    data = content.encode() if isinstance(content, str) else content
    assert refused(READERS[name][0], tmp_path / name, data) == line


def refused(read: Callable[[Path], Any], path: Path, data: bytes) -> int:
    """The line number of the one-line message with which `read` refuses `data`."""
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        read(path)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 400
    assert message.isprintable()
    found = re.match(rf"{re.escape(str(path))}:(\d+): ", message)
    assert found, message
    return int(found[1])


def test_bin_sets_become_trials() -> None:
    trials = bin_file.bin_trials([True, False] * 6, "lfw.bin")
    assert trials.same.tolist() == [True, False] * 6
    assert trials.folds == 10
    assert (trials.left[1], trials.right[1]) == ("000002", "000003")
    with pytest.raises(DataError, match=r"lfw\.bin: 9 pairs are too few for 10 folds"):
        bin_file.bin_trials([True] * 9, "lfw.bin")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for read, _ in READERS.values():
        if read is not subjects:
            with pytest.raises(DataError, match="cannot be read"):
                read(tmp_path)
        with pytest.raises(DataError, match="cannot be read"):
            read(tmp_path / "missing")
