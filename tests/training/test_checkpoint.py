"""Checkpoints: what is damaged is named, and the one before it is used."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from nsface.errors import ModelError, NsfaceError, RecipeError
from nsface.recipe.schema import Recipe
from nsface.run_folder import RunFolder
from nsface.training.checkpoint import load_checkpoint, save_checkpoint
from nsface.training.run import train

Small = Callable[..., Recipe]
Change = Callable[[Path], object]
CPU = torch.device("cpu")


def altered(change: Callable[[dict[str, Any]], object]) -> Change:
    """A change of the state in a checkpoint, which is then written as nsface would not."""

    def apply(path: Path) -> None:
        state = torch.load(path, weights_only=True)
        change(state)
        torch.save(state, path)

    return apply


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def one_bit(path: Path) -> None:
    """A bit of a weight, which torch would not notice."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = max(archive.infolist(), key=lambda entry: entry.file_size)
    content[entry.header_offset + 200 + entry.file_size // 2] ^= 1
    path.write_bytes(content)


def bomb(path: Path) -> None:
    """A gigabyte of zeros in a megabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}." + bytes(100_000_000))


def code(path: Path) -> None:
    """A pickle that runs a command where pickles may."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(path.parent / "made"),))

    path.write_bytes(pickle.dumps(Evil()))


def text_for_a_tensor(state: dict[str, Any]) -> None:
    state["network"] = dict.fromkeys(state["network"], "text")


DAMAGES: dict[str, Change] = {
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(10_000)),
    "magic": lambda path: path.write_bytes(b"PK\x03\x04"),
    "cut": cut,
    "one bit": one_bit,
    "bomb": bomb,
    "code": code,
    "no state": lambda path: torch.save({"a": 1}, path),
    "a list": lambda path: torch.save([1, 2], path),
    "nan": altered(lambda state: next(iter(state["network"].values())).fill_(float("nan"))),
    "inf in momentum": altered(
        lambda state: state["optimizer"]["state"][0]["momentum_buffer"].fill_(float("inf"))
    ),
    "a part of another shape": altered(lambda state: state["head"].update(weight=torch.zeros(3, 16))),
    "a huge tensor": altered(lambda state: state["head"].update(weight=torch.zeros(1).expand(10**9, 10**6))),
    "a part missing": altered(lambda state: state["network"].popitem()),
    "a part too many": altered(lambda state: state["network"].update(x=torch.zeros(1))),
    "text for a tensor": altered(text_for_a_tensor),
    "text for a dictionary": altered(lambda state: state.update(optimizer="text")),
    "numbers for names": altered(lambda state: state.update(network={1: torch.zeros(1)})),
    "a step that is none": altered(lambda state: state.update(step=-1)),
    "a step of text": altered(lambda state: state.update(step="5")),
    "meter of another size": altered(
        lambda state: state.update(meter={"sums": torch.zeros(99), "samples": 0})
    ),
    "momentum of another shape": altered(
        lambda state: state["optimizer"]["state"][0].update(momentum_buffer=torch.zeros(7))
    ),
    "groups of another number": altered(lambda state: state["optimizer"].update(param_groups=[])),
}


@pytest.fixture(scope="module")
def run(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; its model is put aside."""
    folder = tmp_path_factory.mktemp("run") / "run"
    train(small(), folder).rename(folder / "aside")
    return folder


@pytest.fixture
def place(run: Path, tmp_path: Path) -> Path:
    shutil.copytree(run, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_the_checkpoint_before_a_damaged_one_is_used(small: Small, place: Path, damage: Change) -> None:
    damage(place / "checkpoints" / "latest.pt")
    notes: list[str] = []
    model = train(small(), place, resume=True, note=notes.append)
    assert any("latest.pt: " in note and "going on from the state before it" in note for note in notes), notes
    assert not (place / "checkpoints" / "made").exists()
    resumed, whole = load_file(model), load_file(place / "aside")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_where_both_are_damaged_it_is_one_error(small: Small, place: Path, damage: Change) -> None:
    for path in RunFolder(place).saved_checkpoints():
        damage(path)
    before = {path.name: path.read_bytes() for path in (place / "checkpoints").glob("*.pt")}
    with pytest.raises(ModelError, match=r"checkpoint|not finite") as error:
        train(small(), place, resume=True)
    assert "\n" not in str(error.value)
    assert "weights_only" not in str(error.value)
    assert {path.name: path.read_bytes() for path in (place / "checkpoints").glob("*.pt")} == before


def test_a_damaged_state_never_takes_the_place_of_a_good_one(small: Small, place: Path) -> None:
    """Killed again right after a damaged newest state was passed over, there is still a good one."""
    (place / "checkpoints" / "latest.pt").write_bytes(b"PK\x03\x04")

    def killed(line: str) -> None:
        if "steps" in line or "parameters" in line:
            raise SystemError("killed")

    with pytest.raises(SystemError):
        train(small(), place, resume=True, note=killed)
    for path in RunFolder(place).saved_checkpoints():
        assert load_checkpoint(path, CPU)["step"] == 10


def test_without_the_newest_the_one_before_is_used(small: Small, place: Path) -> None:
    (place / "checkpoints" / "latest.pt").unlink()
    resumed, whole = load_file(train(small(), place, resume=True)), load_file(place / "aside")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_two_are_kept_and_nothing_else(place: Path) -> None:
    steps = {path.name: load_checkpoint(path, CPU)["step"] for path in (place / "checkpoints").iterdir()}
    assert steps == {"latest.pt": 15, "previous.pt": 10}


@pytest.mark.parametrize("links", [True, False])
def test_kept_with_links_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError(1, "operation not permitted")

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", refused)
    for step in range(4):
        save_checkpoint(tmp_path / "latest.pt", {"step": step})
    names = {path.name: torch.load(path)["step"] for path in tmp_path.iterdir()}
    assert names == {"latest.pt": 3, "previous.pt": 2}


def test_a_checkpoint_that_cannot_be_written_leaves_both(
    tmp_path: Path, full_disk: Callable[[int], contextlib.AbstractContextManager[None]]
) -> None:
    for step in range(2):
        save_checkpoint(tmp_path / "latest.pt", {"step": step})
    with full_disk(1000), pytest.raises(NsfaceError, match=r"cannot write .*latest\.pt"):
        save_checkpoint(tmp_path / "latest.pt", {"step": 2, "x": torch.zeros(10_000)})
    names = {path.name: torch.load(path)["step"] for path in tmp_path.iterdir()}
    assert names == {"latest.pt": 1, "previous.pt": 0}


def state_of(step: int) -> dict[str, Any]:
    """What `load_checkpoint` takes for a state."""
    parts: dict[str, Any] = {part: {} for part in ("network", "head", "auxiliary")}
    meter = {"sums": torch.zeros(1), "samples": 0}
    return {"step": step, "optimizer": {"state": {}}, "meter": meter, **parts}


class Calls:
    """Calls of the system by which files are made whole; `place` of them is not made any more."""

    NAMES = ("fsync", "link", "replace", "unlink")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, killed_at: int | None = None) -> None:
        self.made: list[tuple[str, str]] = []
        for name in self.NAMES:
            monkeypatch.setattr(os, name, self._noting(name, getattr(os, name), killed_at))
        write = torch.save

        def in_halves(state: dict[str, Any], path: Path) -> None:
            write(state, path)
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            os.fsync(-1)
            path.write_bytes(whole)

        monkeypatch.setattr(torch, "save", in_halves)

    def _noting(self, name: str, call: Callable[..., Any], killed_at: int | None) -> Callable[..., Any]:
        def noted(*arguments: Any, **options: Any) -> Any:
            if len(self.made) == killed_at:
                os._exit(9)
            first = arguments[0]
            path = os.readlink(f"/proc/self/fd/{first}") if name == "fsync" and first >= 0 else str(first)
            self.made.append((name, Path(path).name))
            return None if first == -1 else call(*arguments, **options)

        return noted


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking where there are threads
def test_killed_anywhere_in_a_save_there_is_a_good_state_and_the_next_save_removes_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[int] = []
    while 0 not in ends:
        run = RunFolder(tmp_path / str(len(ends)))
        run.checkpoints.mkdir(parents=True)
        for step in (1, 2):
            save_checkpoint(run.latest_checkpoint, state_of(step))
        child = os.fork()
        if not child:
            Calls(monkeypatch, killed_at=len(ends))
            save_checkpoint(run.latest_checkpoint, state_of(3))
            os._exit(0)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        kept = {path.name: load_checkpoint(path, CPU)["step"] for path in run.saved_checkpoints()}
        assert kept in (
            {"latest.pt": 2, "previous.pt": 1},
            {"latest.pt": 2, "previous.pt": 2},
            {"latest.pt": 3, "previous.pt": 2},
        )
        save_checkpoint(run.latest_checkpoint, state_of(4))
        assert {path.name for path in run.checkpoints.iterdir()} == {"latest.pt", "previous.pt"}
        assert load_checkpoint(run.previous_checkpoint, CPU)["step"] == kept["latest.pt"]
    assert ends == [9] * (len(ends) - 1) + [0]
    assert len(ends) > 6


def test_a_state_is_on_the_disk_before_it_takes_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path / "latest.pt", state_of(1))
    made = Calls(monkeypatch).made
    save_checkpoint(tmp_path / "latest.pt", state_of(2))
    temporary = ".latest.pt.part0.pt"
    written, named = made.index(("fsync", temporary)), made.index(("replace", temporary))
    assert written < min(made.index(call) for call in made if call[0] in ("link", "replace"))
    assert ("fsync", tmp_path.name) in made[named:], "and so is its name, at the end"


def test_where_the_disk_is_full_at_the_last_moment_both_older_states_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems say so only when a file is synced."""
    for step in (1, 2):
        save_checkpoint(tmp_path / "latest.pt", state_of(step))

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NsfaceError, match=r"cannot write .*latest\.pt: no space left on device"):
        save_checkpoint(tmp_path / "latest.pt", state_of(3))
    names = {path.name: load_checkpoint(path, CPU)["step"] for path in tmp_path.iterdir()}
    assert names == {"latest.pt": 2, "previous.pt": 1}


def test_a_run_cannot_be_made_shorter_than_it_is(small: Small, place: Path) -> None:
    with pytest.raises(RecipeError, match="the run is at step 15 already, and is to have 10"):
        train(small(epochs=2), place, resume=True)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_any_damage_is_a_model_error_or_none(run: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray((run / "checkpoints" / "latest.pt").read_bytes())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        ends = [entry.header_offset for entry in archive.infolist()] + [archive.start_dir, len(content)]
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.sampled_from(ends)) + data.draw(st.integers(-300, 300))
        content[max(0, min(place, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "x.pt").write_bytes(content)
    with contextlib.suppress(ModelError):
        load_checkpoint(tmp_path / "x.pt", CPU)
