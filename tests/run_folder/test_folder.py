"""The run folder: which files it has, what is in the way, what is damaged, who holds it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from nsface.errors import DataError, NsfaceError
from nsface.recipe.schema import load_recipe
from nsface.run_folder import OverlapEntry, RunFolder

ENTRY = OverlapEntry(images=10, found=["Ann_Lee"], found_by={"names": ["Ann_Lee"]})


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def test_files_have_the_documented_names(run: RunFolder) -> None:
    files = (
        run.recipe_file, run.environment_file, run.log_file, run.model_file, run.checkpoints,
        run.overlap_file, run.report_file, run.validation_file, run.best_model_file, run.held_out_file,
        run.held_out_pairs_file,
    )  # fmt: skip
    assert [file.relative_to(run.path).as_posix() for file in files] == [
        "recipe.yaml", "environment.json", "log.jsonl", "model.safetensors", "checkpoints", "overlap.json",
        "report.html", "validation.jsonl", "best.safetensors", "held_out.txt", "held_out_pairs.txt",
    ]  # fmt: skip


def test_a_folder_with_a_recipe_is_a_run_folder(run: RunFolder) -> None:
    run.check_new()
    assert not run.is_run()
    recipe = load_recipe("lfw-small", {"seed": 5})
    run.write_recipe(recipe)
    assert run.is_run()
    assert run.load_recipe() == recipe
    text, values = run.read_recipe()
    assert "seed: 5" in text
    assert values["head"] == recipe.head.model_dump()
    with pytest.raises(NsfaceError, match=r"holds recipe\.yaml"):
        run.check_new()


def test_recipes_are_read_whose_heads_are_not_known_here(run: RunFolder) -> None:
    run.recipe_file.write_text("head: {name: of-tomorrow, x: 1}\nnetwork: {name: another}\n")
    assert run.read_recipe()[1]["head"] == {"name": "of-tomorrow", "x": 1}


def test_the_newest_checkpoint_comes_first(run: RunFolder) -> None:
    assert run.saved_checkpoints() == []
    run.checkpoints.mkdir()
    run.previous_checkpoint.touch()
    assert run.saved_checkpoints() == [run.previous_checkpoint]
    run.latest_checkpoint.touch()
    assert run.saved_checkpoints() == [run.latest_checkpoint, run.previous_checkpoint]


def test_one_process_holds_the_folder(run: RunFolder) -> None:
    with run.locked():
        assert run.checkpoints.is_dir()
        with pytest.raises(NsfaceError, match="another process"), run.locked():
            pass
    with run.locked():
        pass


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking where there are threads
def test_a_process_that_the_holder_forked_does_not_hold_the_folder(run: RunFolder) -> None:
    receiving, sending = os.pipe()
    with run.locked():
        forked = os.fork()
        if not forked:
            os.write(sending, b"here")
            signal.pause()
        assert os.read(receiving, 4) == b"here"
    try:
        with run.locked():
            assert run.checkpoints.is_dir()
    finally:
        os.close(receiving)
        os.close(sending)
        os.kill(forked, signal.SIGKILL)
        os.waitpid(forked, 0)


def test_the_log_is_read_up_to_the_line_that_is_being_written(run: RunFolder) -> None:
    run.log_file.write_text('{"step": 1, "loss": 3e38}\n{"step": 2, "mine": "x"}\n{"st')
    assert run.read_log() == [{"step": 1, "loss": 3e38}, {"step": 2, "mine": "x"}]


def test_a_log_is_shortened_to_a_step(run: RunFolder) -> None:
    run.shorten_log(0)
    assert run.log_file.read_text() == ""
    run.log_file.write_text('{"step": 1}\n{"step":2,  "loss": 0.5}\n{"step": 3}\n{"st')
    run.shorten_log(2)
    assert run.log_file.read_text() == '{"step": 1}\n{"step":2,  "loss": 0.5}\n'


@pytest.mark.parametrize("line", ["{}", "[]", '{"step": -1}', '{"step": 1, "loss": NaN}', '{"step": 1'])
def test_a_damaged_line_of_the_log_is_named(run: RunFolder, line: str) -> None:
    run.log_file.write_text(f'{{"step": 1}}\n{line}\n')
    with pytest.raises(DataError, match=r"log\.jsonl:2: .*; remove the line"):
        run.read_log()
    with pytest.raises(DataError, match=r"log\.jsonl:2: .*; remove the line"):
        run.shorten_log(1)


def test_validations_are_read_and_shortened_as_the_log_is(run: RunFolder) -> None:
    line = {"epoch": 1.0, "name": "lfw", "accuracy": 0.9, "standard_error": 0.01, "auc": 0.95}
    assert run.read_validation() == []
    run.validation_file.write_text("".join(json.dumps({"step": n} | line) + "\n" for n in (1, 2, 3)) + '{"s')
    assert run.read_validation() == [{"step": n} | line for n in (1, 2, 3)]
    run.shorten_validation(2)
    assert run.read_validation() == [{"step": n} | line for n in (1, 2)]


def test_identities_that_are_held_out_read_back(run: RunFolder) -> None:
    assert run.read_held_out() == []
    run.write_held_out(["Ann\x85Lee", "caf\udce9"], "a\tb\t1\t0\n")
    assert run.read_held_out() == ["Ann\x85Lee", "caf\udce9"]
    assert run.held_out_pairs_file.read_text() == "a\tb\t1\t0\n"


def test_the_environment_reads_back(run: RunFolder) -> None:
    with pytest.raises(DataError, match=r"no environment\.json in it; give a folder"):
        run.read_environment()
    environment = {"data": "f", "images": 3, "identities": 2, "changes": [{"step": 4}], "torch": "2.6"}
    run.write_environment(environment)
    assert run.read_environment() == environment
    run.write_environment({"images": -1})
    with pytest.raises(DataError, match=r"environment\.json: 'images'"):
        run.read_environment()


@pytest.mark.parametrize("key", ["nsface", "commit", "torch", "device", "precision", "data"])
def test_an_environment_of_other_kinds_of_values_is_damaged(run: RunFolder, key: str) -> None:
    run.environment_file.write_text(json.dumps({key: {"a": [1]}}))
    with pytest.raises(DataError, match=f"environment.json: '{key}': Input should be a valid string"):
        run.read_environment()


def test_the_record_of_overlap_reads_back(run: RunFolder) -> None:
    assert run.read_overlap() == {}
    run.write_overlap({"digest": ENTRY})
    assert run.read_overlap() == {"digest": ENTRY}
    assert "threshold" not in json.loads(run.overlap_file.read_text())["digest"]


def test_entries_keep_what_was_found_before_in_other_ways() -> None:
    found_by = {"names": ["Bo_Ek", "Cy_Do"], "pictures": ["Cy_Do", "left out"]}
    before = OverlapEntry.model_validate(
        {"images": 10, "found": ["Bo_Ek", "Cy_Do", "left out"], "found_by": found_by, "threshold": 0.5}
    )
    joined = ENTRY.joined(before, {"Ann_Lee", "Bo_Ek", "Cy_Do"})
    assert joined.found_by == {"names": ["Ann_Lee"], "pictures": ["Cy_Do"]}
    assert joined.found == ["Ann_Lee", "Cy_Do"]
    assert joined.threshold == 0.5
    assert joined.compared() == "by name and picture only"
    assert ENTRY.joined(None, set()) == ENTRY
