"""What is written about a table: sentences, Markdown, HTML and figures."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from nsface.report.svg_file import document
from nsface.reproduce import content
from nsface.reproduce.arms import ARMS
from nsface.reproduce.curves import MOST_LINES, plots
from nsface.reproduce.findings import claims, doubts, lead
from nsface.reproduce.markdown import markdown
from nsface.reproduce.outcomes import Outcome, Reproduction
from nsface.reproduce.page import html
from nsface.reproduce.running import write_results
from tests.reproduce.small import made, outcome
from tests.reproduce.test_outcomes import ERRORS, outcomes

NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)
REDUCED = (
    "softmax", "noisy-0.1", "noisy-0.5", "noisy-0.05", "noisy-1", "disturb-label", "free",
    "gradient-decay-0.1", "label-smoothing",
)  # fmt: skip


def found(**changes: list[float]) -> Reproduction:
    return made(outcomes(ERRORS | {arm.replace("_", "-"): errors for arm, errors in changes.items()}))


def test_the_answer_says_who_makes_fewer_errors_and_what_is_chance() -> None:
    said = lead(found())
    assert said == [
        "Noisy Softmax, α² = 0.1 makes fewer errors than Softmax: 12.62 % against 13.09 % in the mean over "
        "5 seeds, 0.47 points less (p < 0.001 by Holm).",
        "Noisy Softmax, α² = 1 makes more errors than Softmax: 14.11 % against 13.09 % in the mean over "
        "5 seeds, 1.03 points more (p < 0.001 by Holm).",
        "Whether Noisy Softmax, α² = 0.5 makes fewer errors than Softmax cannot be told: chance cannot be "
        "ruled out.",
    ]
    claim = claims(found())[1]
    assert claim.startswith("Noisy Softmax, α² = 0.5 less Softmax: −0.01 points (95 % interval −0.")
    assert claim.endswith("; 5 seeds); published −0.27.")


def test_nothing_is_said_of_few_seeds_and_of_what_has_not_ended() -> None:
    two = made(outcomes({arm: errors[:2] for arm, errors in ERRORS.items()}), expected=12)
    assert lead(two) == [
        "So far 8 of 12 trainings have ended.",
        "Whether any of the 3 other arms makes fewer errors than Softmax cannot be told: a test needs 3 "
        "seeds that have ended in both.",
    ]
    alone = made([outcome("softmax", 0, 0.1)], expected=1)
    both = made([outcome("softmax", 0, 0.1), outcome("noisy-0.1", 0, 0.1)], expected=2)
    for table, why in (
        (alone, "were both asked for"),
        (replace(both, outcomes=alone.outcomes, expected=1), "have ended yet"),
    ):
        assert lead(table) == [f"No arm and its baseline {why}, so nothing can be said about a difference."]


def test_doubts_are_computed_too() -> None:
    said = doubts(found())
    halves = [
        (test.found.interval[1] - test.found.interval[0]) / 2
        for test in found().tests.values()
        if test.found and test.found.interval
    ]
    assert any(f"reach {100 * np.median(halves):.2f} points to either side" in doubt for doubt in said)
    assert said[0].startswith("This is the quick size, not that of the paper")
    assert not any("size, not that" in doubt for doubt in doubts(replace(found(), scale_name="full")))


def test_another_network_is_no_stand_in() -> None:
    other = {"name": "nin", "embedding_size": 192}
    said = " ".join(doubts(made([outcome("softmax", 0, 0.1)], network=other)))
    assert "The network is nin, not that of the table" in said
    assert "stand-in" not in said
    assert "stand-in" in " ".join(doubts(found()))


def test_the_table_has_ours_beside_the_published_errors() -> None:
    head, *rows = content.plain_rows(found())
    row = dict(zip(head, rows[1], strict=True))
    assert row[""] == "Noisy Softmax, α² = 0.1"
    assert row["error, last step"] == "12.62 ± 0.07"
    assert (row["published"], row["difference"], row["seeds"]) == ("7.39", "−0.47", "5")
    assert (row["ECE"], row["MCE"], row["time"]) == ("5.00 ± 0.00", "20.00 ± 0.00", "1 min 1 s")
    assert re.fullmatch(r"−0\.\d\d to −0\.\d\d", row["95 % interval"])
    assert [one.certain for one in content.rows(found())] == [False, True, False, True]


def test_what_differs_between_arms_is_named() -> None:
    differing = dict(content.differing(found()))
    assert differing["Softmax"] == "the baseline, head.name: softmax"
    assert differing["Noisy Softmax, α² = 1"] == "head.name: noisy-softmax, head.alpha2: 1.0"


def sections(table: Reproduction) -> list[tuple[str, list]]:  # type: ignore[type-arg]
    return [("Errors", plots(table, "errors")), ("Saturation", plots(table, "saturation"))]


class Page(HTMLParser):
    """What a page refers to, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.identifiers: list[str] = []
        self.labelled: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.links.append(str(value))
            elif name == "id":
                self.identifiers.append(str(value))
            elif name == "aria-labelledby":
                self.labelled.append(str(value))


def test_the_page_needs_no_other_file_and_its_figures_have_titles() -> None:
    text = html(found(), sections(found()), "nsface reproduce cifar10 --out <here>", NOW)
    page = Page(text)
    assert all(link.startswith("#") or link == "data:," for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.identifiers)
    assert len(page.identifiers) == len(set(page.identifiers))
    assert set(page.labelled) <= set(page.identifiers)
    assert len(page.labelled) == 9
    assert not {"script", "img", "link"} & {tag for tag in page.tags if tag != "link"}
    assert "url(" not in text
    assert "prefers-color-scheme: dark" in text
    assert "nsface reproduce cifar10 --out &lt;here&gt;" in text
    for sentence in (*lead(found())[:1], "R-CNN", "Errors by seed", "10,000", "CIFAR-10, quick size"):
        assert sentence.split(",")[0] in text


def test_markdown_links_to_figures_that_are_written(tmp_path: Path) -> None:
    write_results(tmp_path, found(), "nsface reproduce")
    text = (tmp_path / "results.md").read_text()
    linked = re.findall(r"^!\[(.+)\]\((figures/[a-z-]+\.svg)\)$", text, re.MULTILINE)
    assert len(linked) == 9
    for description, path in linked:
        drawn = ElementTree.parse(tmp_path / path).getroot()
        assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
        assert drawn.get("aria-label") == description.replace("\\>", ">")
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert json.loads((tmp_path / "results.json").read_text())["command"] == "nsface reproduce"


def test_marks_of_markdown_in_texts_are_text() -> None:
    table = found()
    table.recipe["data"] = "a|b_c*<d>\n"
    text = markdown(table, [], "figures", None)
    assert r"| images | a\|b\_c\*\<d\>\\n |" in text


def test_curves_are_means_over_seeds_with_their_deviation() -> None:
    table = found()
    plot = next(plot for plot in plots(table, "errors") if plot.name == "test-error")
    line = plot.series[1]
    assert line.label == "Noisy Softmax, α² = 0.1"
    assert line.x == [250, 500, 750, 1000]
    assert line.y == pytest.approx(np.mean(ERRORS["noisy-0.1"]) + np.array([0.3, 0.2, 0.1, 0.0]))
    assert line.spread == pytest.approx([np.std(ERRORS["noisy-0.1"], ddof=1)] * 4)
    assert "Noisy Softmax, α² = 0.1 ends at 12.62 %" in plot.description
    assert plot.band == "± the standard deviation over seeds"
    training = next(plot for plot in plots(table, "errors") if plot.name == "training-error")
    assert training.series[1].y == pytest.approx(np.array(line.y) / 2)


def test_a_curve_has_the_steps_that_all_its_seeds_have_and_no_band_for_one() -> None:
    given = [outcome("softmax", 0, 0.1), outcome("softmax", 1, 0.1, points=2), outcome("free", 0, 0.1)]
    plot = plots(made(given), "errors")[0]
    assert [list(line.x) for line in plot.series] == [[250, 500], [250, 500, 750, 1000]]
    assert [bool(line.spread) for line in plot.series] == [True, False]


def test_many_arms_stand_in_several_figures_each_with_the_baseline() -> None:
    table = made([outcome(arm, seed, 0.1) for arm in REDUCED for seed in (0, 1)])
    drawn = [plot for plot in plots(table, "errors") if plot.name.startswith("test-error")]
    assert [plot.name for plot in drawn] == ["test-error-1", "test-error-2"]
    labels = [[line.label for line in plot.series] for plot in drawn]
    assert all(one[0] == "Softmax" and len(one) <= MOST_LINES for one in labels)
    assert sorted(label for one in labels for label in one[1:]) == sorted(
        ARMS[arm].title for arm in REDUCED[1:]
    )
    assert all(line.number == place for plot in drawn for place, line in enumerate(plot.series))


def test_axes_are_of_ratios_where_that_can_be() -> None:
    table = found()
    log = {plot.name for kind in ("errors", "saturation") for plot in plots(table, kind) if plot.y.log}
    assert log == {"test-error", "training-error", "training-loss", "test-loss", "training-gradient"}
    negative = replace(table.outcomes[0], log=[{"step": 250, "loss": -0.5, "accuracy": 1.0}])
    lines = {plot.name: plot for plot in plots(made([negative]), "errors")}
    assert not lines["training-loss"].y.log
    assert lines["training-loss"].y.holds(-0.5)


def test_a_diverged_training_is_in_no_curve() -> None:
    lost: Outcome = replace(outcome("free", 0, 0.4), measures=None, troubles=("diverged: loss",))
    table = made([outcome("softmax", 0, 0.1), lost])
    assert [line.label for plot in plots(table, "errors") for line in plot.series] == ["Softmax"] * 4
    assert content.troubles(table) == [f"{ARMS['free'].title}, seed 0: diverged: loss"]
    assert content.by_seed(table)[2] == [ARMS["free"].title, "diverged"]


def test_a_file_of_a_figure_has_caption_legend_and_both_colour_schemes() -> None:
    plot = plots(found(), "saturation")[0]
    text = document(plot)
    root = ElementTree.fromstring(text)
    words = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "p > 0.999" in " ".join(words)
    assert {line.label for line in plot.series} <= set(words)
    assert "prefers-color-scheme: dark" in text
    width = float(str(root.get("viewBox")).split()[2])
    assert all(float(x) < width for x in re.findall(r'<text x="([\d.]+)"', text))


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    arms = ["softmax", "noisy-0.05", "gradient-decay-0.1", "noisy-contrastive"]
    errors = {arm: [0.12 + place / 100 + seed / 1000 for seed in range(3)] for place, arm in enumerate(arms)}
    table = made([outcome(arm, seed, error) for arm in arms for seed, error in enumerate(errors[arm])])
    lines = content.text(table, 80).splitlines()
    assert max(map(len, lines)) <= 80
    start = lines.index("") + 1
    assert lines[start].split() == ["error", "paper", "diff.", "95", "%", "interval", "p", "seeds"]
    assert [line.split()[0] for line in lines[start + 1 : start + 5]] == arms
    assert lines[start + 1].split()[1:] == ["12.10", "±", "0.10", "8.11", "–", "–", "–", "3"]
