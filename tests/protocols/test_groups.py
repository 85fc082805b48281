"""Groups of people, from the file to the result: against loops over pairs, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nsface import evaluate
from nsface.embeddings import Embeddings
from nsface.errors import DataError, DoubtfulResult
from nsface.protocols.group_file import read_groups
from nsface.protocols.grouped import operating_point
from nsface.protocols.lfw import Lfw
from nsface.protocols.protocol import OptionsError
from nsface.results import Identification, TarAtFar, Verification, read_result
from nsface.results.threshold import Threshold

PEOPLE = 150
IMAGES = 4


def names() -> list[str]:
    return [f"P{person:03}/{image}.jpg" for person in range(PEOPLE) for image in range(IMAGES)]


def faces(noisy: float = 1.0, seed: int = 0) -> Embeddings:
    """Embeddings of everybody; those of people with odd numbers have `noisy` times the noise."""
    random = np.random.default_rng(seed)
    centres = np.repeat(random.normal(size=(PEOPLE, 16)), IMAGES, axis=0)
    scale = np.where(np.repeat(np.arange(PEOPLE), IMAGES) % 2, noisy, 1.0)[:, None]
    return Embeddings(names(), (centres + 0.8 * scale * random.normal(size=centres.shape)).astype(np.float32))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """All pairs of one person, and three times as many of two."""
    random = np.random.default_rng(1)
    lines = []
    for person in range(PEOPLE):
        for i in range(IMAGES):
            for j in range(i):
                lines.append(f"P{person:03}/{i}.jpg\tP{person:03}/{j}.jpg\t1\t{person % 10}\n")
    seen = set()
    while len(lines) < 4 * PEOPLE * IMAGES * (IMAGES - 1) // 2:
        (a, b), (i, j) = random.integers(0, PEOPLE, 2), random.integers(0, IMAGES, 2)
        if a < b and (a, b, i, j) not in seen:
            seen.add((a, b, i, j))
            lines.append(f"P{a:03}/{i}.jpg\tP{b:03}/{j}.jpg\t0\t{a % 10}\n")
    path = tmp_path / "pairs.txt"
    path.write_text("".join(lines))
    return path


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def parity(tmp_path: Path) -> Path:
    lines = [f"P{person:03}\t{'odd' if person % 2 else 'even'}\t{person % 3}\n" for person in range(PEOPLE)]
    return write(tmp_path / "groups.txt", "person\tparity\tthird\n" + "".join(lines))


def test_rates_are_those_of_loops_over_pairs(pairs: Path, parity: Path, tmp_path: Path) -> None:
    result = evaluate.pairs(faces(), pairs, groups=parity, far=(0.05, 0.01), garbe_alpha=0.25)
    found = result.groups
    assert found is not None
    assert found.threshold == result.tar_at_far[0].threshold
    vectors = {
        name: row / np.linalg.norm(row)
        for name, row in zip(names(), np.asarray(faces().vectors, dtype=np.float64), strict=True)
    }
    for attribute, label in zip(found.attributes, ("parity", "third"), strict=True):
        assert (attribute.name, attribute.people, attribute.unlabelled) == (label, PEOPLE, 0)
        rows = dict(line.split("\t", 1) for line in parity.read_text().splitlines()[1:])
        group = {name: row.split("\t")[label == "third"] for name, row in rows.items()}
        counts: dict[tuple[str, ...], list[int]] = {}
        who: dict[tuple[str, ...], set[str]] = {}
        for line in pairs.read_text().splitlines():
            left, right, same, _ = line.split("\t")
            a, b = left[:4], right[:4]
            accepted = float(vectors[left] @ vectors[right]) >= found.threshold
            key = (same, *sorted({group[a], group[b]}))
            tally = counts.setdefault(key, [0, 0])
            tally[0] += accepted != (same == "1")
            tally[1] += 1
            who.setdefault(key, set()).update((a, b))
        fmr, fnmr = attribute.rates
        assert (fmr.name, fnmr.name, fnmr.across) == ("FMR", "FNMR", ())
        measured = {("0", *one.groups): one for one in (*fmr.groups, *fmr.across)}
        measured |= {("1", *one.groups): one for one in fnmr.groups}
        assert {key: [one.errors, one.trials] for key, one in measured.items()} == counts
        assert {key: one.people for key, one in measured.items()} == {key: len(p) for key, p in who.items()}
        for one in measured.values():
            assert one.rate == one.errors / one.trials
            assert one.interval is not None
            assert one.interval[0] <= one.rate <= one.interval[1]
        ginis = []
        for rate in attribute.rates:
            values = [one.errors / one.trials for one in rate.groups]
            apart = sum(abs(x - y) for x in values for y in values)
            ginis.append(apart / (2 * (len(values) - 1) * sum(values)))
            assert rate.gini.value == pytest.approx(ginis[-1])
            assert rate.max_over_min.value == pytest.approx(max(values) / min(values))
            geometric = np.prod(values) ** (1 / len(values))
            assert rate.max_over_geometric_mean.value == pytest.approx(max(values) / geometric)
        assert attribute.garbe.value == pytest.approx(0.25 * ginis[0] + 0.75 * ginis[1])
        assert attribute.garbe.interval is not None
        assert attribute.garbe.value is not None
        assert attribute.garbe.interval[0] <= attribute.garbe.value <= attribute.garbe.interval[1]
    again = read_result(json.loads(json.dumps(result.to_json())), tmp_path / "r.json")
    assert isinstance(again, Verification)
    assert again.to_json() == result.to_json()
    assert again.groups is not None
    assert again.groups.threshold == found.threshold
    older = {key: value for key, value in result.to_json().items() if key != "groups"}
    read = read_result(older, tmp_path / "older.json")
    assert isinstance(read, Verification)
    assert read.groups is None
    assert read.to_json() == older


def test_a_real_difference_is_found_and_a_split_by_chance_is_not(pairs: Path, parity: Path) -> None:
    result = evaluate.pairs(faces(noisy=1.4), pairs, groups=parity)
    assert result.groups is not None
    parity_of, third = result.groups.attributes
    fnmr = parity_of.rates[1]
    assert fnmr.p_value is not None
    assert fnmr.p_value < 0.01
    assert fnmr.max_over_min.interval is not None
    assert fnmr.max_over_min.interval[0] > 1
    assert third.rates[1].p_value is not None
    assert third.rates[1].p_value > 0.05
    assert third.rates[1].gini.interval is not None
    assert third.rates[1].gini.interval[0] == 0


def test_identification_compares_probes(tmp_path: Path, parity: Path) -> None:
    known = range(100)
    lists = {
        "gallery": [f"P{p:03}/0.jpg" for p in known],
        "probes": [f"P{p:03}/{i}.jpg" for p in known for i in (1, 2)],
        "impostors": [f"P{p:03}/{i}.jpg" for p in range(100, PEOPLE) for i in range(IMAGES)],
    }
    paths = {key: write(tmp_path / f"{key}.txt", "\n".join(value)) for key, value in lists.items()}
    gallery, probes, strangers = paths.values()
    result = evaluate.ident(
        faces(1.3), gallery=gallery, probes=probes, impostors=strangers, groups=parity, far=(0.2,)
    )
    assert isinstance(result, Identification)
    assert result.groups is not None
    assert result.open_set is not None
    assert result.groups.threshold == result.open_set.dir[0].threshold
    fpir, fnir = result.groups.attributes[0].rates
    vectors = np.asarray(faces(1.3).vectors, dtype=np.float64)
    unit = dict(zip(names(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True), strict=True))
    errors = {"FPIR": {"even": 0, "odd": 0}, "FNIR": {"even": 0, "odd": 0}}
    for key, kind in (("impostors", "FPIR"), ("probes", "FNIR")):
        for name in lists[key]:
            scores = {mate[:4]: float(unit[mate] @ unit[name]) for mate in lists["gallery"]}
            best = max(scores, key=lambda person: scores[person])
            hit = scores[best] >= result.groups.threshold
            wrong = hit if kind == "FPIR" else not (hit and best == name[:4])
            errors[kind]["odd" if int(name[1:4]) % 2 else "even"] += wrong
    assert {rate.name: {one.name: one.errors for one in rate.groups} for rate in (fpir, fnir)} == errors
    assert [one.trials for one in (*fpir.groups, *fnir.groups)] == [100, 100, 100, 100]
    assert all(one.too_small == "25 people, fewer than 30" for one in fpir.groups)
    assert fpir.gini.undefined == "fewer than two groups are large enough to be compared"
    assert result.groups.attributes[0].garbe.undefined == "the Gini coefficient of FPIR is not defined"
    assert "FNIR" in result.table()
    with pytest.raises(OptionsError, match="`groups` need `impostors`"):
        evaluate.ident(faces(), gallery=gallery, probes=probes, groups=parity)


def test_people_in_no_group_and_not_in_the_list_are_counted_and_said(pairs: Path, tmp_path: Path) -> None:
    lines = [f"P{person:03}\t{'a' if person < 70 else 'b'}\n" for person in range(140)]
    file = write(tmp_path / "some.txt", "".join(lines) + "Nobody\ta\n")
    with pytest.warns(DoubtfulResult) as said:
        result = evaluate.pairs(faces(), pairs, groups=file)
    sentences = [str(one.message) for one in said]
    assert any(
        "10 of the 150 people" in one and "have no group (P140, P141, P142" in one for one in sentences
    )
    assert any("1 of its people are not in" in one and "(Nobody)" in one for one in sentences)
    assert result.groups is not None
    (attribute,) = result.groups.attributes
    assert (attribute.name, attribute.people, attribute.unlabelled) == ("group", 140, 10)
    assert result.groups.not_in_list == 1


def test_small_groups_are_named_and_left_out(pairs: Path, tmp_path: Path) -> None:
    lines = [f"P{person:03}\t{'tiny' if person < 10 else 'ab'[person % 2]}\n" for person in range(PEOPLE)]
    file = write(tmp_path / "some.txt", "".join(lines))
    groups = evaluate.pairs(faces(), pairs, groups=file, far=(0.05,)).groups
    assert groups is not None
    fnmr = groups.attributes[0].rates[1]
    assert fnmr.compared() == ["a", "b"]
    assert fnmr.groups[2].too_small == "10 people, fewer than 30"
    assert "FNMR of tiny is in no summary: 10 people, fewer than 30" in " ".join(groups.table().split())
    a, b = (one.rate for one in fnmr.groups[:2])
    assert a
    assert b
    assert fnmr.max_over_min.value == pytest.approx(max(a, b) / min(a, b))


def test_without_errors_a_ratio_is_not_defined(pairs: Path, parity: Path) -> None:
    groups = evaluate.pairs(faces(), pairs, groups=parity, far=(0.0,)).groups
    assert groups is not None
    fmr = groups.attributes[0].rates[0]
    assert fmr.gini.undefined == fmr.max_over_min.undefined == "no group has errors at this threshold"
    assert (fmr.gini.value, fmr.p_value) == (None, None)
    assert '"undefined": "no group has errors' in json.dumps(groups.attributes[0].rates[0].gini.__dict__)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Ann\n", r":1: 'Ann' is not 'person<TAB>group'"),
        ("Ann\ta\nBo\ta\tb\n", r":2: 'Bo\ta\tb' is not 'person<TAB>group'"),
        ("Ann\ta\n\tb\n", r":2: "),
        ("Ann\ta\nBo\tb\nAnn\tb\n", r":3: 'Ann' is in 'b' here and in 'a' in line 1"),
        ("Ann\ta\tx\nAnn\ta\t\n", r":2: 'Ann' is in 'a', no group here and in 'a', 'x' in line 1"),
        ("person\tage\tage\nAnn\ta\tb\n", r":1: a column without a name, or two of one name"),
        ("person\tage\n", r":1: a header and nobody below it"),
        ("", r":1: the file is empty"),
        ("".join(f"P{i}\tgroup {i}\n" for i in range(51)), r"51 groups under 'group'; give at most 50"),
    ],
)
def test_malformed_files_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "groups.txt", text)
    with pytest.raises(DataError) as found:
        read_groups(path)
    assert message.replace("\\t", "\t") in str(found.value).replace("\\t", "\t")
    assert "\n" not in str(found.value)


def test_a_file_of_groups_as_editors_save_it(tmp_path: Path) -> None:
    read = read_groups(
        write(tmp_path / "g.txt", "\ufeffPerson\tsex\tage\r\nAnn\tw\t\r\nBo\tm\told\r\nBo\tm\told\r\n")
    )
    assert read.attributes == {"sex": {"Ann": "w", "Bo": "m"}, "age": {"Bo": "old"}}
    assert read.people == ["Ann", "Bo"]
    assert list(read_groups(write(tmp_path / "h.txt", "Ann\tw\told\n")).attributes) == ["group 1", "group 2"]


def test_nobody_of_the_list_in_a_group_is_refused(pairs: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "groups.txt", "Ann\ta\nBo\tb\n")
    with pytest.raises(DataError, match=r"no trial of .* has its people in one group"), pytest.warns():
        evaluate.pairs(faces(), pairs, groups=file)


def test_names_that_say_nobody_are_refused(tmp_path: Path) -> None:
    flat = write(tmp_path / "pairs.txt", "1.jpg\t2.jpg\t1\n1.jpg\t3.jpg\t0\n")
    file = write(tmp_path / "groups.txt", "Ann\ta\n")
    images = Embeddings(["1.jpg", "2.jpg", "3.jpg"], np.eye(3, dtype=np.float32))
    with pytest.raises(DataError, match="do not say who is who"):
        evaluate.pairs(images, flat, groups=file)


def test_the_threshold_is_of_a_rate_with_thirty_errors_or_of_the_one_given() -> None:
    points = [
        TarAtFar(far=far, tar=0.5, achieved_far=far, threshold=1 - far, impostors=3000)
        for far in (0.1, 0.01, 0.001)
    ]
    assert operating_point(points, False, 3000) == (0.99, "of FAR 1 % over all")
    assert operating_point(points, False, 30_000)[0] == 0.999
    assert operating_point(points, False, 20)[0] == 0.9
    assert operating_point(points[::-1], True, 20)[0] == 0.999


def test_a_calibrated_threshold_is_the_threshold_of_groups(pairs: Path, parity: Path, tmp_path: Path) -> None:
    made = Threshold(
        threshold=0.4321, similarity="cosine", kind="fmr", target=0.1, achieved=0.1, errors=10,
        upper_bound=0.2, confidence=0.95, method="given", impostors=100,
    )  # fmt: skip
    file = write(tmp_path / "threshold.json", json.dumps(made.to_json()))
    result = evaluate.pairs(faces(), pairs, groups=parity, threshold=file)
    assert result.groups is not None
    assert result.at_threshold is not None
    assert (result.groups.threshold, result.groups.threshold_source) == (0.4321, f"of {file}")


def test_lfw_takes_groups_too(tmp_path: Path) -> None:
    assert Lfw(tmp_path / "pairs.txt", groups=tmp_path / "g.txt").garbe_alpha == 0.5
