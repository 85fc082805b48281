"""Which folders below others are run folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsface.errors import DataError
from nsface.report import run_search
from nsface.report.run_search import find_run_folders
from tests.report.run_folders import write_run


def test_runs_are_found_at_any_depth_in_natural_order(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name) for name in ("a/seed2", "a/seed10", "b", "b/again")]
    write_run(tmp_path / ".hidden")
    (tmp_path / "recipe.yaml").write_text("# somebody's own, of no run\n")
    found = find_run_folders([tmp_path])
    assert found.runs == runs
    assert found.notes == []
    assert find_run_folders([tmp_path / "b", tmp_path / "a" / "seed2"]).runs == [runs[0], runs[2], runs[3]]


def test_a_run_that_was_killed_before_its_environment_was_written(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    (run / "environment.json").unlink()
    assert find_run_folders([tmp_path]).runs == [run]


def test_links_are_followed_once_and_circles_end(tmp_path: Path) -> None:
    write_run(tmp_path / "elsewhere" / "a")
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "to").symlink_to(tmp_path / "elsewhere")
    (runs / "again").symlink_to(tmp_path / "elsewhere" / "a")
    (runs / "up").symlink_to(runs)
    (runs / "itself").symlink_to(runs / "itself")
    (tmp_path / "elsewhere" / "a" / "back").symlink_to(tmp_path / "elsewhere")
    found = find_run_folders([runs])
    assert found.runs == [runs / "again"], "by the path that is reached first"
    assert found.notes == []


def test_too_many_folders_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near = write_run(tmp_path / "z")
    for number in range(30):
        (tmp_path / "images" / str(number)).mkdir(parents=True)
    monkeypatch.setattr(run_search, "MOST_FOLDERS", 10)
    found = find_run_folders([tmp_path])
    assert found.runs == [near]
    assert found.notes == ["only 10 folders were looked into; give folders nearer to the runs"]


@pytest.mark.parametrize("name", ["nowhere", "file", "circle", "a\0b", "x" * 300])
def test_what_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(DataError, match="cannot be read"):
        find_run_folders([tmp_path / name])
