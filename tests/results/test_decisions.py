"""Decisions as values: what follows from score and threshold, JSON, and tables of hostile names."""

from __future__ import annotations

import json
from math import nextafter

import pytest

from nsface.results.decisions import (
    CalibratedRate,
    Candidate,
    FaceInImage,
    Identified,
    PairDecision,
    ProbeDecision,
)

RATE = CalibratedRate(
    file="t.json",
    kind="fmr",
    target=0.001,
    achieved=0.0005,
    upper_bound=0.001,
    confidence=0.95,
    impostors=2000,
    list="pairs.txt",
)


def pair(**values: object) -> PairDecision:
    return PairDecision(**({"first": "a.jpg", "second": "b.jpg", "score": 0.5} | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("score", "threshold", "same"),
    [
        (0.5, 0.5, True),
        (0.5, nextafter(0.5, 1), False),
        (nextafter(0.5, 1), 0.5, True),
        (0.5, None, None),
        (None, 0.1, None),
    ],
)
def test_a_pair_is_the_same_person_at_or_above_the_threshold(
    score: float | None, threshold: float | None, same: bool | None
) -> None:
    made = pair(score=score, threshold=threshold)
    assert made.same is same
    assert made.to_json()["same"] is same


def test_scores_keep_all_digits_so_that_the_decision_can_be_repeated() -> None:
    score = 0.1234567890123456
    said = pair(score=score, threshold=score).to_json()
    assert json.loads(json.dumps(said)) == said
    assert (said["score"], said["threshold"]) == (score, score)
    assert list(said) == ["protocol", "first", "second", "score", "same", "threshold", "similarity"]


def test_the_table_of_a_pair() -> None:
    face = FaceInImage(points=((1.0, 2.0),) * 5, confidence=0.9, found=3, choice="largest")
    text = " ".join(pair(threshold=0.4, calibrated=RATE, faces=(face, face)).table().split())
    assert "decision the same person" in text
    assert "not the same" not in text
    assert "3 faces found, of which the largest one was used" in text
    assert "at most 0.1000 % of pairs of different people reach it, with 95 % confidence" in text
    assert "(0.0500 % of 2,000 such pairs on pairs.txt)" in text
    assert "decision not the same person" in " ".join(pair(threshold=0.6).table().split())
    assert "errors are not known" in " ".join(pair(threshold=0.6).table().split())
    assert "that takes a threshold" in " ".join(pair().table().split())


def test_a_rate_of_identification_names_its_gallery() -> None:
    rate = CalibratedRate(
        file="t", kind="fpir", target=0.01, achieved=0.0, upper_bound=0.01, confidence=0.9, impostors=300,
        gallery_size=50,
    )  # fmt: skip
    assert "of people who are not in a gallery of 50 people reach it, with 90 % confidence" in rate.sentence()


def answer(*scores: float, threshold: float | None = None) -> ProbeDecision:
    found = [
        Candidate(
            person=f"P{i}", image=f"P{i}/1.jpg", score=score, rank=sum(other >= score for other in scores)
        )
        for i, score in enumerate(scores)
    ]
    return ProbeDecision(probe="x.jpg", candidates=tuple(found), threshold=threshold)


@pytest.mark.parametrize(
    ("scores", "threshold", "identified"),
    [
        ((0.5, 0.1), 0.5, "P0"),
        ((0.5, 0.1), 0.51, None),
        ((0.5, 0.1), None, None),
        ((0.5, 0.5), 0.3, None),  # two people tie: neither is found
        ((), 0.3, None),
    ],
)
def test_the_first_is_identified_if_alone_and_at_or_above_the_threshold(
    scores: tuple[float, ...], threshold: float | None, identified: str | None
) -> None:
    made = answer(*scores, threshold=threshold)
    assert made.identified == identified


def test_the_table_of_identification_has_a_line_for_each_candidate() -> None:
    probes = (
        answer(0.5, 0.1, threshold=0.3),
        answer(0.2, threshold=0.3),
        ProbeDecision(probe="bad", error="x"),
    )
    made = Identified(gallery="g.npz", people=2, images=2, threshold=0.3, probes=probes)
    lines = [line.split() for line in made.table().splitlines()]
    assert lines[2:] == [
        ["rank", "score", "decision", "person", "probe"],
        ["1", "0.5000", "identified", "P0", "x.jpg"],
        ["2", "0.1000", "P1"],
        ["1", "0.2000", "unknown", "P0", "x.jpg"],
        ["–", "–", "no", "result", "bad"],
    ]
    assert made.to_json()["probes"][1]["identified"] is None
    assert "error" not in made.to_json()["probes"][0]


def test_names_that_would_command_the_terminal_are_escaped() -> None:
    odd = "p\x1b[31m\n/\u202e1.jpg"
    person = Candidate(person=odd, image=odd, score=0.9, rank=1)
    tables = [
        pair(first=odd, threshold=0.1).table(),
        Identified(
            gallery=odd, people=1, images=1, probes=(ProbeDecision(probe=odd, candidates=(person,)),)
        ).table(),
    ]
    for table in tables:
        assert all(line.isprintable() for line in table.split("\n"))
        assert "\\x1b[31m\\n" in table
