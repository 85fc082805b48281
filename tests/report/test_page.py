"""The page as a whole: its order, titles, identifiers, and where and when it was made."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from nsface.report.page import render
from nsface.report.provenance import find_provenance
from tests.report.made import identification, lfw, lfw_compared, make_run, with_errors, wrong

NOW = datetime(2026, 11, 26, 7, 40, tzinfo=timezone.utc)


def headings(page: str) -> list[str]:
    return re.findall(r"<h[12][^>]*>(.*?)</h[12]>", page)


def test_the_answer_comes_first_and_the_environment_last() -> None:
    page = render(
        [
            make_run(
                "a", lfw=lfw(0.9), ident=identification(0.5, 0.4), c=lfw_compared("a", "b", (0.01, 0.02))
            ),
            make_run("b", head="noisy", lfw=lfw(0.8)),
        ]
    )
    assert headings(page) == [
        "a, b",
        "Answer",
        "Scores",
        "Comparisons",
        "LFW verification",
        "LFW identification",
        "Training",
        "Checks of the data",
        "Recipe",
        "Environment",
    ]


def test_every_title_about_rendered_faces_says_so() -> None:
    environment = {"rendered": True}
    runs = [
        make_run(
            "a", lfw=lfw(0.9, rendered=True), c=lfw_compared("a", "b", (0.01, 0.02)), environment=environment
        ),
        make_run("b", head="noisy", lfw=lfw(0.8, rendered=True), environment=environment),
    ]
    page = render(runs)
    assert "<title>a, b, rendered faces · nsface report</title>" in page
    assert [title for title in headings(page) if "rendered faces" not in title] == [
        "Answer",
        "Checks of the data",
        "Recipe",
        "Environment",
    ]
    assert "On rendered faces, a is better than b" in page
    assert "Published" not in page


def test_published_figures_fold_away_below_ones_own() -> None:
    page = render([make_run("a", lfw=lfw(0.9))])
    folded = page[page.index("<details>") :]
    assert "Noisy Softmax, α² = 0.1, WebFace+" in folded
    assert folded.index('<th scope="row">a') < folded.index("FaceNet")
    assert page.index("90.00") < page.index("<details>")
    assert "FGLFW</th>" not in page, "a column that nobody has a figure for"


def test_runs_that_differ_in_the_seed_fold_away_below_their_mean() -> None:
    page = render([make_run(f"a-{seed}", seed=seed, lfw=lfw(0.9 + seed / 100)) for seed in range(3)])
    assert (
        '<th scope="row">a <small>3\u00a0seeds: 0, 1, 2</small></th><td>91.00 <small class="spread">± 1.00'
        in page
    )
    single = page[page.index("The single runs") :]
    assert single.index("90.00") < single.index("91.00") < single.index("92.00")


@pytest.mark.parametrize("name", ["answer", "training", '"><x y="', "a b", "roc"])
def test_names_of_files_are_no_markup_and_no_identifiers(name: str) -> None:
    run = make_run("a", lfw=lfw(0.9))
    run.results[name] = with_errors()
    page = render([run])
    identifiers = re.findall(r' id="([^"]*)"', page)
    assert len(identifiers) == len(set(identifiers))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(identifiers)
    assert "<x" not in page


def test_worst_errors_have_a_part_for_each_kind() -> None:
    result = with_errors(wrong("a", "b", False, 0.6), wrong("c", "d", True, -0.25))
    page = render([make_run("a", lfw=result)], thumbnail=str.encode)
    assert page.index("False accepts: different people") < page.index("score 0.600")
    assert page.index("score 0.600") < page.index("False rejects: one person") < page.index("score −0.250")


def test_the_page_says_when_and_by_what_it_was_made() -> None:
    page = render([make_run("a")], command="nsface report 'my run'", now=NOW)
    assert "Made on 2026-11-26 07:40 UTC with nsface" in page
    assert "nsface report &#39;my run&#39;" in page
    assert "<pre" not in render([make_run("a")], now=NOW).partition("<footer>")[2]


def test_times_of_files(tmp_path: Path) -> None:
    run = replace(make_run("a", lfw=lfw(0.9), ident=identification(0.5, 0.4)), folder=tmp_path)
    assert find_provenance([run], "", NOW).rows == [("model written", ["–"]), ("results written", ["–"])]
    for name, minutes in (("model.safetensors", 0), ("lfw.json", 5), ("ident.json", 65)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (NOW.timestamp(), NOW.timestamp() + 60 * minutes))
    assert find_provenance([run], "", NOW).rows == [
        ("model written", ["2026-11-26 07:40 UTC"]),
        ("results written", ["2026-11-26 07:45 UTC – 2026-11-26 08:45 UTC"]),
    ]
