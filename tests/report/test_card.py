"""The card of all protocols: what is on it, and what is not."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from nsface.report.card import render
from nsface.results import AllProtocols, Verification
from nsface.results.all_protocols import FamilyDifference, NotRun, Score
from tests.report.made import lfw

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)


def made(result: Verification, title: str = "LFW View 2", **keys: object) -> AllProtocols:
    figure = result.figures()[0]
    row = Score(
        title=title,
        protocol=result.protocol,
        figure="accuracy",
        value=figure.value,
        spread=figure.spread,
        interval=figure.interval,
        trials=result.pairs,
        official=figure.official,
    )
    given = {"folder": "lists", "system": "mine", "scores": (row,), "results": (result,)}
    return AllProtocols(**(given | keys))  # type: ignore[arg-type]


def texts(page: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL).split())


def test_published_rows_stand_beside_official_figures_alone() -> None:
    official = render(made(lfw(0.9917)), now=NOW)
    assert "Published figures on the same official lists" in official
    assert "99.18" in official, "the paper's figure"
    assert "<details open>" in official
    for other in (lfw(0.9917, pairs=600), lfw(0.9917, rendered=True)):
        assert "Published figures" not in render(made(other, rendered=other.rendered), now=NOW)


def test_every_score_leads_to_its_section() -> None:
    page = render(made(lfw(0.9917), title="LFW & <b>"), "nsface eval-all mine.npz", NOW)
    (anchor,) = re.findall(r'<a href="#(result-\d+)">LFW &amp; &lt;b&gt;</a>', page)
    assert f'<h2 id="{anchor}">LFW &amp; &lt;b&gt;</h2>' in page
    assert "6,000 yes" in texts(page)
    assert "Made on 2026-11-26 12:00 UTC" in page
    assert "nsface eval-all mine.npz" in page


def test_differences_are_bold_by_the_corrected_p_value() -> None:
    rows = [
        FamilyDifference(
            title=title,
            what=what,
            test="identity-aware",
            values=(0.9, 0.8),
            difference=0.1,
            interval=(0.05, 0.15),
            p=0.03,
            p_holm=corrected,
        )
        for title, what, corrected in (("one", "accuracy", 0.06), ("two", "Rank-1", 0.04))
    ]
    page = render(made(lfw(0.9), against="other", differences=tuple(rows)), now=NOW)
    assert "all 2 differences" in page
    bold = re.findall(r'<tr class="certain"><th scope="row">([^<]*)</th>', page)
    assert bold == ["two (Rank\u20111)"]
    assert "10.00 5.00 – 15.00 0.03 0.06 90.00 80.00 identity-aware" in texts(page)


def test_what_was_not_run_is_there_with_its_reason() -> None:
    page = render(made(lfw(0.9), not_run=(NotRun(title="YouTube Faces", reason="3 of 9 videos"),)), now=NOW)
    assert "YouTube Faces : 3 of 9 videos" in texts(page)
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page), "it needs no other file"
