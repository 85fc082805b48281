"""The first lines of the report: each rule of what they say, and of what they say cannot be told."""

from __future__ import annotations

from typing import Any

import pytest

from nsface.report.answer import Answer, find_answer
from nsface.report.comparisons import find_pairs
from nsface.report.runs import Run
from nsface.report.systems import find_systems
from nsface.run_folder import OverlapEntry
from tests.report.made import CHECKED, blufr, ident_compared, identification, lfw, lfw_compared, make_run


def answer(*runs: Run) -> Answer:
    systems = find_systems(runs)
    return find_answer(systems, find_pairs(systems))


def two(interval: tuple[float, float] | None, p: float | None = 0.01, **keys: Any) -> list[Run]:
    """Two systems that were measured on LFW and compared."""
    compared = lfw_compared("a", "b", interval, p)
    return [
        make_run("a", lfw=lfw(0.9), c=compared, **keys),
        make_run("b", head="noisy", lfw=lfw(0.87), **keys),
    ]


def test_the_better_system_is_named_with_figure_interval_and_p() -> None:
    found = answer(*two((0.02, 0.04), 0.0123))
    assert found.lead == ["a is better than b on LFW verification."]
    assert found.claims == [
        "LFW verification: a is better by 3.00 points (90.00 % against 87.00 %; 95 % interval 2.00 – 4.00, "
        "p = 0.012, identity-aware test)."
    ]


def test_the_second_system_may_be_better() -> None:
    found = answer(*two((-0.04, -0.02)))
    assert found.lead == ["b is better than a on LFW verification."]
    assert (
        "b is better by 3.00 points (93.00 % against 90.00 %; 95 % interval 2.00 – 4.00," in found.claims[0]
    )
    unknown = answer(*two((-0.04, 0.01), 0.4)).claims[0]
    assert "(b 91.50 %, a 90.00 %; 1.50 points apart, 95 % interval −1.00 to 4.00, p = 0.4," in unknown


@pytest.mark.parametrize("interval", [(-0.01, 0.04), (0.0, 0.04), None])
def test_nobody_is_better_where_the_trusted_interval_contains_0(interval: tuple[float, float] | None) -> None:
    """McNemar's test and the one over folds find a difference in each of these."""
    found = answer(*two(interval, None))
    assert found.lead == [
        "Which of a and b is better cannot be told: on LFW verification, the only figure compared, chance "
        "cannot be ruled out."
    ]
    assert "no certain difference (a 90.00 %" in found.claims[0]
    assert "better" not in " ".join(found.claims)


def test_figures_are_counted_where_they_disagree() -> None:
    runs = two((0.02, 0.04))
    runs[0].results["d"] = ident_compared("a", "b", (-0.05, -0.01), (-0.1, 0.2))
    found = answer(*runs)
    assert found.lead == [
        "a is better than b on LFW verification; b is better than a on Identification (Rank-1); on the other "
        "figure compared, chance cannot be ruled out."
    ]
    assert any("not corrected for the 3 differences" in doubt for doubt in found.doubts)


def test_all_figures() -> None:
    runs = two((0.02, 0.04))
    runs[0].results["d"] = ident_compared("a", "b", (0.01, 0.05), (0.1, 0.2))
    assert answer(*runs).lead == ["a is better than b on all 3 figures compared."]
    runs = two((-0.02, 0.04))
    runs[0].results["d"] = ident_compared("a", "b", (-0.01, 0.05), (-0.1, 0.2))
    assert answer(*runs).lead == [
        "Which of a and b is better cannot be told: on none of the 3 figures compared can chance be ruled "
        "out."
    ]


def test_without_a_comparison_nothing_is_said_to_be_better() -> None:
    """However far the figures are apart."""
    found = answer(
        make_run("a", lfw=lfw(0.99, embeddings="runs/a/my lfw.npz")),
        make_run("b", head="noisy", lfw=lfw(0.6, embeddings="runs/b/lfw.npz")),
    )
    assert found.lead == [
        "Which of a and b is better cannot be told: they were not compared with one another."
    ]
    assert found.claims == [
        "a reaches 99.00 % on LFW verification (95 % interval 98.00 – 100.00 %).",
        "b reaches 60.00 % on LFW verification (95 % interval 59.00 – 61.00 %).",
    ]
    assert found.commands == [
        "nsface compare runs/b/lfw.npz 'runs/a/my lfw.npz' --protocol NAME --pairs LIST "
        "--json runs/b/compare-lfw.json"
    ]


def test_one_run_says_what_it_reaches() -> None:
    found = answer(make_run("a", ident=identification(0.5, 0.4), lfw=lfw(0.9)))
    assert found.lead == ["a reaches 90.00 % on LFW verification (95 % interval 89.00 – 91.00 %)."]
    assert found.claims == [
        "a reaches 50.00 % on LFW identification (Rank-1).",
        "a reaches 40.00 % on LFW identification (DIR at FAR 1 %).",
    ]
    assert found.commands == []


def test_nothing_measured() -> None:
    found = answer(make_run("a"))
    assert found.lead == [
        "Nothing was measured yet, so nothing can be said about the quality of the embeddings."
    ]
    assert found.commands == ["nsface train runs/a/recipe.yaml --out runs/a --resume"]


SEEDS = {0: 0.001, 1: 0.002, 2: 0.003}


def seeds(gain: float) -> list[Run]:
    """Two systems with three seeds each; the second is better by `gain`, and a little more with each seed."""
    softmax = [make_run(f"softmax-{seed}", seed=seed, lfw=lfw(0.9)) for seed in SEEDS]
    noisy = [
        make_run(f"noisy-{seed}", head="noisy", seed=seed, lfw=lfw(0.9 + gain + more))
        for seed, more in SEEDS.items()
    ]
    return softmax + noisy


def test_means_over_seeds() -> None:
    """Paired differences 2, 3 and 4 tenths of a point: 0.3 ± 4.303 · 0.1/√3, t = 3√3, p = 0.035."""
    found = answer(*seeds(0.001))
    assert found.lead == ["noisy is better than softmax in the mean over seeds on LFW verification."]
    assert found.claims == [
        "LFW verification: noisy is better by 0.30 points (90.30 % against 90.00 %; 95 % interval "
        "0.05 – 0.55, p = 0.035, paired t test over 3 seeds)."
    ]
    assert any("not that of the test set" in doubt for doubt in found.doubts)
    assert not any("one seed" in doubt for doubt in found.doubts)
    equal = answer(*seeds(-0.002)).lead
    assert equal == [
        "Which of noisy and softmax is better in the mean over seeds cannot be told: on LFW verification, "
        "the only figure compared, chance cannot be ruled out."
    ]


def test_one_system_with_seeds() -> None:
    found = answer(*seeds(0.001)[3:])
    assert found.lead == [
        "noisy reaches 90.30 % on LFW verification (mean of 3 seeds, standard deviation 0.10)."
    ]


def doubts(*runs: Run) -> str:
    return "\n".join(answer(*runs).doubts)


def test_a_single_official_checked_run_has_one_doubt() -> None:
    found = answer(make_run("a", lfw=lfw(0.9))).doubts
    assert found == [
        "a: the training is not finished, or the model was removed.",
        "There is one seed only: how much another seed would change is not known.",
    ]


def test_rendered_faces() -> None:
    runs = two((0.02, 0.04))
    for run in runs:
        run.results["lfw"] = lfw(0.9, rendered=True)
    found = answer(*runs)
    assert found.lead == ["On rendered faces, a is better than b on LFW verification."]
    assert found.claims[0].startswith("LFW verification: ")
    assert found.doubts[0].startswith("The faces were rendered by a program and show people who do not exist")
    one = answer(make_run("a", lfw=lfw(0.9, rendered=True)))
    assert one.lead[0].startswith("On rendered faces, a reaches 90.00 % on LFW verification")
    assert "a learned from rendered faces" in doubts(
        make_run("a", lfw=lfw(0.9), environment={"rendered": True})
    )


def test_other_than_official_lists() -> None:
    assert "not comparable with those of LFW verification (own.json): not the official list" in doubts(
        make_run("a", own=lfw(0.9, pairs=1000))
    )


def test_different_lists() -> None:
    runs = [make_run("a", lfw=lfw(0.9)), make_run("b", head="noisy", lfw=lfw(0.9, genuine=1))]
    assert "a and b: the lists of LFW verification were not the same" in doubts(*runs)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"head": {"name": "noisy"}}, None),
        ({"epochs": 4}, None),
        ({"log_every": 4, "data": "elsewhere", "seed": 3, "head": {"name": "noisy"}}, None),
        ({"head": {"name": "noisy"}, "epochs": 4}, "differ in more than the head (epochs)"),
        ({"epochs": 4, "batch_size": 3}, "differ in several things (epochs and batch_size)"),
    ],
)
def test_recipes(recipe: dict[str, Any], said: str | None) -> None:
    found = doubts(make_run("a", lfw=lfw(0.9)), make_run("b", lfw=lfw(0.9), recipe=recipe))
    assert ("The recipes differ" in found) == (said is not None)
    assert said is None or said in found


def test_circumstances() -> None:
    other = make_run("b", head="noisy", lfw=lfw(0.9), environment={"torch": "2.7", "data": "other"})
    found = doubts(make_run("a", lfw=lfw(0.9)), other)
    assert "not trained with the same version of torch (2.6, 2.7)" in found
    assert "differ in more than the head (data)" in found


@pytest.mark.parametrize(
    ("overlap", "said"),
    [
        ([], "a: it was never checked whether people of the training set are in the test sets"),
        (
            [OverlapEntry(images=3, found=["x"], found_by={"names": ["x"]})],
            "a: people of the training set seem to be",
        ),
        (
            [OverlapEntry(images=3, found=[], found_by={"names": []})],
            "a: training and test people were compared by name",
        ),
    ],
)
def test_overlap(overlap: list[OverlapEntry], said: str) -> None:
    assert said in doubts(make_run("a", lfw=lfw(0.9), overlap=overlap))
    assert said not in doubts(make_run("a", lfw=lfw(0.9)))
    assert said not in doubts(make_run("a", overlap=overlap)), "there are no scores that could be too high"


def test_what_was_not_compared() -> None:
    runs = two((0.02, 0.04))
    for run in runs:
        run.results["ident"] = identification(0.5, 0.4)
    assert "a and b were not compared on LFW identification: run nsface compare." in doubts(*runs)
    runs[0].results["d"] = ident_compared("a", "b", (0.01, 0.05), (0.1, 0.2))
    assert "were not compared" not in doubts(*runs)
    runs[0].results["blufr"] = runs[1].results["blufr"] = blufr(0.5)
    assert "were not compared" not in doubts(*runs), "nsface compare has no comparison for BLUFR"
    found = doubts(*two((0.02, 0.04)), make_run("c", head="other", lfw=lfw(0.9)))
    assert "These were not compared with one another: a and c, b and c: run nsface compare." in found


def test_what_holds_for_all_of_many_systems_is_said_of_all() -> None:
    runs = [make_run(name, head=name, lfw=lfw(0.9), overlap=[]) for name in "abc"]
    assert "All 3 systems: it was never checked" in doubts(*runs)
    assert "All 3 systems: trained with one seed each." in doubts(*runs)
    runs[1].overlap.append(CHECKED)
    assert "a and c: it was never checked" in doubts(*runs)


def test_a_comparison_of_other_files_is_no_answer_about_these_runs() -> None:
    other = lfw_compared("x", "y", (0.02, 0.04))
    found = answer(make_run("a", lfw=lfw(0.9), c=other), make_run("b", head="noisy", lfw=lfw(0.8)))
    assert found.lead == [
        "runs/x/lfw.npz is better than runs/y/lfw.npz on LFW verification.",
        "Which of a and b is better cannot be told: they were not compared with one another.",
    ]
    runs = two((0.02, 0.04))
    runs[0].results["d"] = other
    assert answer(*runs).lead == ["a is better than b on LFW verification."]
