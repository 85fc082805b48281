"""Which runs are one system."""

from __future__ import annotations

import pytest

from nsface.report.systems import find_systems, measured_keys
from tests.report.made import identification, lfw, lfw_compared, make_run


def grouped(*runs: object) -> dict[str, list[str]]:
    return {one.name: [run.name for run in one.runs] for one in find_systems(runs)}  # type: ignore[arg-type]


def test_runs_that_differ_in_the_seed_only_are_one_system() -> None:
    runs = [
        make_run(f"{head}-{seed}", head=head, seed=seed)
        for seed in (3, 4, 5)
        for head in ("softmax", "noisy")
    ]
    assert grouped(*runs) == {
        "softmax": ["softmax-3", "softmax-4", "softmax-5"],
        "noisy": ["noisy-3", "noisy-4", "noisy-5"],
    }
    assert find_systems(runs)[0].seeds == "3 seeds: 3, 4, 5"


@pytest.mark.parametrize(
    "other",
    [
        make_run("b", seed=0),
        make_run("b", seed=1, head="noisy"),
        make_run("b", seed=1, recipe={"epochs": 4}),
        make_run("b", seed=1, recipe={"seed": None}),
        make_run("b", seed=1, recipe={"seed": True}),
        make_run("b", seed=1, environment={"data": "other"}),
    ],
    ids=["same seed", "head", "epochs", "no seed", "no number", "data"],
)
def test_other_runs_are_systems_of_their_own(other: object) -> None:
    assert grouped(make_run("a"), other) == {"a": ["a"], "b": ["b"]}


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("noisy-s0", "noisy-s1", "noisy"),
        ("noisy_seed_10", "noisy_seed_11", "noisy"),
        ("0", "1", "0 and 1 other seed"),
        ("a", "b", "a and 1 other seed"),
        ("losses-0", "losses-1", "losses"),
    ],
)
def test_a_system_is_called_by_what_its_runs_have_in_common(first: str, second: str, name: str) -> None:
    assert list(grouped(make_run(first), make_run(second, seed=1))) == [name]


def test_two_systems_never_have_one_name() -> None:
    runs = [
        make_run(f"run-{seed}", head=head, seed=seed % 2) for seed, head in enumerate(["a", "a", "b", "b"])
    ]
    assert list(grouped(*runs)) == ["run", "run-2 and 1 other seed"]


def test_results_are_in_the_order_of_the_protocols_without_comparisons() -> None:
    run = make_run("a", z=lfw(0.9), b=identification(0.5, 0.4), c=lfw_compared("a", "b", (0.0, 0.1)))
    systems = find_systems([run])
    assert measured_keys(systems) == ["z", "b"]
    assert systems[0].by_seed("z", "LFW") == {0: 0.9}
    assert systems[0].by_seed("b", "Rank-5") == {0: 0.99}
    assert systems[0].by_seed("b", "LFW") == {}
