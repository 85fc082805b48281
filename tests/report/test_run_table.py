"""The table of many runs, read from folders as trainings and evaluations leave them."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
from scipy import stats

from nsface.errors import RecipeError
from nsface.report.page import training_row
from nsface.report.run_table import RunTable, read_run_table
from nsface.report.runs import read_runs
from nsface.report.systems import find_systems
from nsface.results import VerificationSets
from tests.report.made import lfw
from tests.report.run_folders import write_run

SOFTMAX, NOISY = (0.90, 0.91, 0.905, 0.90), (0.92, 0.925, 0.93, 0.915)


def read(*folders: Path, **options: Any) -> RunTable:
    def fail(line: str) -> None:
        raise AssertionError(line)

    return read_run_table(folders, fail, **options)


def cells(table: str, line: int) -> list[str]:
    return table.splitlines()[line].split()


def seeds(folder: Path, head: str, accuracies: tuple[float, ...], first: int = 0) -> list[Path]:
    return [
        write_run(folder / f"{head}-{seed}", head=head, seed=seed, lfw=lfw(accuracy))
        for seed, accuracy in enumerate(accuracies, first)
    ]


def test_a_row_a_run_with_what_differs(tmp_path: Path) -> None:
    first = write_run(
        tmp_path / "runs" / "a", recipe={"head": {"name": "arcface", "scale": 30}}, lfw=lfw(0.9)
    )
    second = write_run(tmp_path / "runs" / "b", steps=(10,), model=False, environment={"seconds": 7400.0})
    table = read(first, second).table(200)
    assert cells(table, 0) == [
        "run", "head.name", "head.scale", "steps", "state", "loss", "accuracy", "LFW", "time", "images/s",
    ]  # fmt: skip
    rows = [" ".join(cells(table, line)) for line in (1, 2)]
    assert rows[0] == "runs/a arcface 30 20 finished 1 50.00 90.00 1 min 15 s 115"
    assert rows[1] == "runs/b softmax – 10 of 20 interrupted 1.5 50.00 – 2 h 3 min 110"
    assert "all runs: nsface 0.4.0, cpu, bfloat16" in table


def test_a_single_run_shows_its_state_and_scores(tmp_path: Path) -> None:
    table = read(write_run(tmp_path / "runs" / "a", lfw=lfw(0.9))).table(100)
    assert cells(table, 0) == ["run", "steps", "loss", "accuracy", "LFW", "time", "images/s"]
    assert "all runs: finished, nsface 0.4.0, cpu, bfloat16" in table
    assert "mean" not in table
    assert "seeds" not in table


def test_states(tmp_path: Path) -> None:
    lengthened = write_run(tmp_path / "a", recipe={"epochs": 3})
    nothing_yet = write_run(tmp_path / "b", steps=(), model=False)
    (nothing_yet / "log.jsonl").unlink()
    (nothing_yet / "environment.json").unlink()
    diverged = write_run(tmp_path / "c", model=False, environment={"diverged": "the loss is nan at step 12"})
    by_steps = write_run(tmp_path / "d", recipe={"epochs": None, "iterations": 20})
    running = write_run(tmp_path / "e", steps=(10,), model=False)
    handle = os.open(running, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        found = read(lengthened, nothing_yet, diverged, by_steps, running)
    finally:
        os.close(handle)
    assert [(one.state, one.steps) for one in found.runs] == [
        ("interrupted", "20 of 30"),
        ("interrupted", "0 of 2 epochs"),
        ("diverged", "20"),
        ("finished", "20"),
        ("running", "10 of 20"),
    ]
    stopped = write_run(tmp_path / "f", steps=(10,), model=False, environment={"step": 13})
    before_a_line = write_run(tmp_path / "g", steps=(), model=False, environment={"step": 3})
    assert [one.steps for one in read(stopped, before_a_line).runs] == ["13 of 20", "3, of 2 epochs"]
    assert [training_row(run)["steps"] for run in read_runs([stopped, by_steps])] == [13, 20]
    assert "/c diverged: the loss is nan at step 12" in found.table(200)
    assert read(running).runs[0].state == "interrupted"


def test_a_look_at_a_run_does_not_keep_a_training_out(tmp_path: Path) -> None:
    from nsface.run_folder import RunFolder

    run = RunFolder(write_run(tmp_path / "a"))
    handle = os.open(run.path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)  # as another look does at this moment
    assert not run.in_use()
    os.close(handle)
    with run.locked():
        assert run.in_use()
    assert not run.in_use()


def test_damaged_runs_are_lines_and_damaged_results_notes(tmp_path: Path) -> None:
    good = write_run(tmp_path / "a", lfw=lfw(0.9), other={"no": "protocol"}, broken={"protocol": "lfw"})
    bad = [write_run(tmp_path / name) for name in "bcd"]
    (bad[0] / "recipe.yaml").write_text("[")
    (bad[1] / "environment.json").write_text("{}}")
    (bad[2] / "log.jsonl").write_text('{"step": "x"}\n')
    notes: list[str] = []
    found = read_run_table([good, *bad], notes.append)
    assert [one.run.folder for one in found.runs] == [good]
    assert len(notes) == 1
    assert "broken.json" in notes[0]
    lines = found.table(100).split("not read:\n")[1].splitlines()
    assert len(lines) == 3
    for line, name in zip(
        lines, ("b/recipe.yaml", "c/environment.json", "d/log.jsonl, near its end"), strict=True
    ):
        assert name in line
    assert [one["run"] for one in found.to_json()["unreadable"]] == list(map(str, bad))


@pytest.mark.parametrize("seed", [None, [1], "a", True, -1, 1 << 63])
def test_odd_seeds_are_no_seeds(tmp_path: Path, seed: Any) -> None:
    folders = [write_run(tmp_path / f"a{n}", seed=n, lfw=lfw(0.9)) for n in range(2)]
    folders.append(write_run(tmp_path / "odd", recipe={"seed": seed}, lfw=lfw(0.8)))
    if seed is None:
        recipe = (folders[2] / "recipe.yaml").read_text()
        (folders[2] / "recipe.yaml").write_text(recipe.replace("seed: null\n", ""))
    found = read_run_table(folders, print)
    assert found.groups[0].seeds == "2 seeds: 0, 1"
    assert "odd" in found.table(100)
    content = found.to_json()
    if seed is None:
        assert content["groups"][1]["scores"] == {}
    else:
        assert "odd/recipe.yaml: 'seed': " in content["unreadable"][0]["error"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: .inf", "epochs: a number is not finite"),
        ("guard: {a: [1, {b: .nan}]}", "guard: a number is not finite"),
        ("- a", "not a recipe"),
    ],
)
def test_what_no_recipe_holds_is_a_line(tmp_path: Path, text: str, message: str) -> None:
    folder = write_run(tmp_path / "a")
    before = "" if text.startswith("-") else "head: {name: a}\nnetwork: {name: b}\nseed: 1\n"
    (folder / "recipe.yaml").write_text(before + text)
    found = read_run_table([folder], print)
    assert message in found.unreadable[str(folder)]
    json.dumps(found.to_json(), allow_nan=False)


def test_groups_have_mean_and_deviation_and_are_tested_by_scipys_numbers(tmp_path: Path) -> None:
    runs = [*seeds(tmp_path / "runs", "noisy", NOISY), *seeds(tmp_path / "runs", "softmax", SOFTMAX)]
    found = read(*runs, against="softmax")
    content = json.loads(json.dumps(found.to_json()))
    assert [group["group"] for group in content["groups"]] == ["runs/noisy", "runs/softmax"]
    group = content["groups"][0]
    assert group["runs"] == list(map(str, runs[:4]))
    assert group["seeds"] == [0, 1, 2, 3]
    assert group["scores"]["LFW"]["mean"] == pytest.approx(mean(NOISY))
    assert group["scores"]["LFW"]["std"] == pytest.approx(stdev(NOISY))
    assert group["scores"]["LFW"]["values"] == {str(seed): value for seed, value in enumerate(NOISY)}
    assert content["against"] == "runs/softmax"
    (tested,) = content["differences"]
    expected = stats.ttest_rel(NOISY, SOFTMAX)
    assert tested["test"] == "paired t test over 4 seeds"
    assert tested["p"] == tested["p_holm"] == pytest.approx(expected.pvalue)
    assert tested["interval"] == pytest.approx(list(expected.confidence_interval()))
    assert tested["verdict"] == "better"
    table = found.table(100)
    assert f"{100 * mean(NOISY):.2f} ± {100 * stdev(NOISY):.2f}" in table
    assert "runs/noisy against runs/softmax: better on LFW" in table
    assert "runs/softmax against runs/noisy: worse on LFW" in read(*runs).table(100), "the first, if not said"


def test_several_tests_are_corrected_together(tmp_path: Path) -> None:
    runs = (
        seeds(tmp_path, "a", SOFTMAX)
        + seeds(tmp_path, "b", NOISY)
        + seeds(tmp_path, "c", (0.9, 0.92, 0.91, 0.9))
    )
    tests = {test.group: test for test in read(*runs).tests}
    raw = [stats.ttest_rel(other, SOFTMAX).pvalue for other in (NOISY, (0.9, 0.92, 0.91, 0.9))]
    assert raw[0] < raw[1]
    first, second = (next(test for name, test in tests.items() if name.endswith(letter)) for letter in "bc")
    assert first.p_holm == pytest.approx(2 * raw[0])
    assert second.p_holm == pytest.approx(raw[1])
    assert second.verdict == "chance"


def test_only_common_seeds_are_paired_and_too_few_are_said(tmp_path: Path) -> None:
    base = seeds(tmp_path / "x", "a", SOFTMAX)
    shifted = seeds(tmp_path / "x", "b", NOISY, first=1)
    found = read(*base, *shifted).tests[0]
    expected = stats.ttest_rel(NOISY[:3], SOFTMAX[1:])
    assert found.seeds == (3,)
    assert found.found is not None
    assert found.found.p == pytest.approx(expected.pvalue)
    assert found.found.values == pytest.approx((mean(NOISY[:3]), mean(SOFTMAX[1:])))

    others = seeds(tmp_path / "x", "c", NOISY, first=7)
    (welch,) = read(*base, *others).tests
    assert welch.found is not None
    assert welch.found.p == pytest.approx(stats.ttest_ind(NOISY, SOFTMAX, equal_var=False).pvalue)
    assert "4 and 4 (Welch)" in read(*base, *others).table(120)

    two = seeds(tmp_path / "x", "d", NOISY[:2])
    few = read(*base, *two)
    assert few.tests[0].found is None
    assert "x/d against x/a: too few seeds to tell on LFW (a test needs 3)" in few.table(100)


def test_a_group_is_named_by_itself_or_by_a_run(tmp_path: Path) -> None:
    runs = [*seeds(tmp_path / "runs", "a", SOFTMAX), *seeds(tmp_path / "runs", "b", NOISY)]
    for name in ("runs/b", "b", "runs/b-1", str(runs[5]), f"{runs[5]}/"):
        baseline = read(*runs, against=name).baseline
        assert baseline is not None
        assert baseline.name == "runs/b"
    with pytest.raises(RecipeError, match=r"--against c: no such group; there are runs/a, runs/b"):
        read(*runs, against="c")


def test_folders_of_seeds_are_called_by_the_folder_above(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "noisy" / f"seed{n}", seed=n, lfw=lfw(0.9)) for n in (0, 1)]
    assert [group.name for group in read(*runs).groups] == ["noisy"]
    runs += [write_run(tmp_path / "soft" / f"seed{n}", head="x", seed=n, lfw=lfw(0.9)) for n in (0, 1)]
    assert [group.name.split("/")[-1] for group in read(*runs).groups] == ["noisy", "soft"]


@pytest.mark.parametrize(
    ("title", "order"),
    [
        ("LFW", "bac"),
        ("lfw", "bac"),
        ("loss", "abc"),
        ("head.name", "cab"),
        ("steps", "cab"),
        ("seed", "abc"),
    ],
)
def test_sorting(tmp_path: Path, title: str, order: str) -> None:
    write_run(tmp_path / "a", head="m", seed=1, lfw=lfw(0.9))
    write_run(tmp_path / "b", head="z", seed=4, lfw=lfw(0.95))
    write_run(tmp_path / "c", head="b", seed=7, steps=(10,), environment={"seconds": 1.0})
    found = read(*(tmp_path / name for name in "abc"), sort=title)
    assert "".join(one.run.folder.name for one in found.runs) == order


def test_sorting_by_what_is_not_there(tmp_path: Path) -> None:
    runs = seeds(tmp_path, "a", SOFTMAX)
    with pytest.raises(RecipeError, match=r"--sort x: no such column; there are seed, steps, state, loss"):
        read(*runs, sort="x")


def test_the_last_validations_are_scores(tmp_path: Path) -> None:
    runs = seeds(tmp_path, "a", SOFTMAX[:2])
    for number, run in enumerate(runs):
        lines = [
            {"step": step, "epoch": step / 10, "name": name, "accuracy": 0.5 + step / 100 + number / 50,
             "standard_error": 0.01, "auc": 0.9}
            for step in (10, 20) for name in ("LFW", "held-out")
        ]  # fmt: skip
        (run / "validation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read(*runs)
    assert found.to_json()["runs"][1]["scores"] == pytest.approx(
        {"LFW": 0.91, "validation LFW": 0.72, "validation held-out": 0.72}
    )
    assert "71.00 ± 1.41" in found.table(200)
    assert "official" not in found.table(200)
    (runs[0] / "validation.jsonl").write_text("{}\n")
    notes: list[str] = []
    assert len(read_run_table(runs, notes.append).runs) == 2
    assert "validation.jsonl:1" in notes[0]


def test_all_sets_of_a_bin_result_are_columns(tmp_path: Path) -> None:
    sets = VerificationSets(sets=(lfw(0.9, protocol="lfw_bin"), lfw(0.8, protocol="cfp_fp")))
    table = read(write_run(tmp_path / "a", bins=sets)).table(100)
    assert cells(table, 0) == ["run", "steps", "loss", "accuracy", "lfw_bin", "cfp_fp", "time", "images/s"]
    assert cells(table, 1)[4:6] == ["90.00", "80.00"]


def test_a_system_has_one_name_in_the_table_and_in_the_report(tmp_path: Path) -> None:
    one = [write_run(tmp_path / "runs" / "s" / f"seed{seed}", seed=seed) for seed in (0, 1)]
    other = [write_run(tmp_path / "runs" / "t" / f"seed{seed}", head="b", seed=seed) for seed in (0, 1)]
    for folders, names in ((one, ["s"]), (one + other, ["runs/s", "runs/t"])):
        assert [group.name for group in read(*folders).groups] == names
        assert [system.name for system in find_systems(read_runs(folders))] == names
    assert [run.name for run in read_runs([one[0], write_run(tmp_path / "runs" / "softmax")])] == [
        "runs/s/seed0",
        "softmax",
    ]
