"""Each rank writes its own rows of a large classifier, before the checkpoint that names them."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nsface.errors import DiskFull, ModelError
from nsface.heads.shard import Shard
from nsface.ranks import ALONE, Ranks
from nsface.recipe.schema import Recipe
from nsface.training import checkpoint, host_copy, identity_rows, saving
from nsface.training.checkpoint import load_checkpoint
from nsface.training.identity_rows import ROWS, RowFiles
from nsface.training.run import train
from nsface.training.trainer import Trainer
from tests.training.forked_ranks import IDENTITIES, run_on, settings, stop_after, write_faces

CPU = torch.device("cpu")
AT_EVERY_STEP = 1e-9  # minutes
STOP = 4  # the step after which runs are stopped: one after the end of an epoch
Change = Callable[[Path], object]


def divided(ranks: Ranks, chosen: Recipe, out: Path, **options: Any) -> None:
    """Train with rows in files of their own; the first rank never has those of others."""
    with rows_in_files():
        train(chosen, out, ranks=ranks, **options)


@contextmanager
def rows_in_files() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity_rows, "LARGE", 0)
        patch.setattr(Shard, "gather_on_first_rank", None)
        yield


def recipe(faces: Path, **changes: Any) -> Recipe:
    return Recipe.model_validate(settings(faces, **changes))


def train_on_two(ranks: Ranks, faces: Path, out: Path) -> None:
    divided(ranks, recipe(faces), out / "whole")
    with rows_in_files():
        stop_after(STOP, ranks, recipe(faces), out / "stopped")
    if ranks.first:
        shutil.copytree(out / "stopped", out / "resumed")
    ranks.wait()
    divided(ranks, recipe(faces), out / "resumed", resume=True)
    full_disk(ranks, recipe(faces, checkpoint_minutes=AT_EVERY_STEP), out / "full")
    returning = {"guard": {"skip": 1, "then": "lower-rate"}, "log_every": 3}
    poisoned(ranks, recipe(faces, **returning), out / "returned")


def full_disk(ranks: Ranks, chosen: Recipe, out: Path) -> None:
    """The disk of the second rank is full at the second step."""
    save = RowFiles.save

    def full(self: RowFiles, *arguments: Any) -> None:
        if self.step == 2 and not ranks.first:
            raise DiskFull("cannot write the rows: no space")
        save(self, *arguments)

    notes: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RowFiles, "save", full)
        patch.setattr(host_copy, "SHARE", 0)  # so that there is a state of each step
        divided(ranks, chosen, out, note=notes.append)
    said = [note for note in notes if "the disk is nearly full: cannot write the rows" in note]
    assert len(said) == ranks.first


def poisoned(ranks: Ranks, chosen: Recipe, out: Path) -> None:
    """In the fifth step, the second of the second epoch, the last rank has an image that is not finite."""
    step = Trainer._train_step

    def and_poison(self: Trainer, images: Tensor, labels: Tensor) -> Any:
        if self.step == 4 and self.returns.rate == 1 and ranks.rank == ranks.count - 1:
            images = torch.full_like(images, torch.nan)
        return step(self, images, labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_train_step", and_poison)
        (divided if ranks.count > 1 else lambda ranks, *rest: train(*rest))(ranks, chosen, out)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def two(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `train_on_two` leaves."""
    out = tmp_path_factory.mktemp("two")
    assert run_on(2, out / "messages", train_on_two, faces, out) == [0, 0], (out / "messages").read_text()
    return out


@pytest.fixture(scope="module")
def one(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run by one process."""
    out = tmp_path_factory.mktemp("one") / "run"
    train(recipe(faces), out)
    return out


def tensors(state: Any, name: str = "") -> dict[str, Tensor]:
    if isinstance(state, Tensor):
        return {name: state}
    items = state.items() if isinstance(state, dict) else ()
    return {place: x for key, value in items for place, x in tensors(value, f"{name}/{key}").items()}


def final(run: Path) -> dict[str, Tensor]:
    """All tensors of the newest state, that of a single process."""
    return tensors(load_checkpoint(run / "checkpoints" / "latest.pt", CPU))


def names(run: Path) -> set[str]:
    return {path.name for path in (run / "checkpoints").iterdir()}


def named_by(run: Path, *files: str) -> set[str]:
    """The checkpoints and the files with rows that they name."""
    rows = [RowFiles.named_in(torch.load(run / "checkpoints" / file)) for file in files]
    return {*files, *(name for one in rows if one is not None for name in one.names())}


def same_bits(one: Path, other: Path) -> bool:
    return {name: x.numpy().tobytes() for name, x in final(one).items()} == {
        name: x.numpy().tobytes() for name, x in final(other).items()
    }


def assert_same(found: Path, expected: Path) -> None:
    """Everything in the newest states, up to rounding."""
    torch.testing.assert_close(final(found), final(expected), rtol=1e-4, atol=2e-6)


def test_the_rows_are_those_of_one_process_and_lie_beside_the_checkpoint(two: Path, one: Path) -> None:
    assert_same(two / "whole", one)
    state = torch.load(two / "whole" / "checkpoints" / "latest.pt")
    assert state["head"].keys() == set(), "they are not in the checkpoint as well"
    assert all(len(x) != IDENTITIES for x in tensors(state["optimizer"]).values())
    assert names(two / "whole") == named_by(two / "whole", "latest.pt", "previous.pt")
    assert len(names(two / "whole")) == 2 + 4


def test_resumed_on_as_many_ranks_to_the_same_bits(two: Path) -> None:
    assert same_bits(two / "resumed", two / "whole")
    assert names(two / "resumed") == named_by(two / "resumed", "latest.pt", "previous.pt")


def go_on(ranks: Ranks, faces: Path, *runs: Path) -> None:
    notes: list[str] = []
    for run in runs:
        divided(ranks, recipe(faces), run, resume=True, note=notes.append)
    if ranks.first:
        print("\n".join(notes))


def test_resumed_on_another_number_of_ranks(faces: Path, two: Path, one: Path, tmp_path: Path) -> None:
    for run in ("by-one", "by-three"):
        shutil.copytree(two / "stopped", tmp_path / run)
    train(recipe(faces), tmp_path / "by-one", resume=True)
    assert names(tmp_path / "by-one") == named_by(tmp_path / "by-one", "latest.pt", "previous.pt")
    assert run_on(3, tmp_path / "messages", go_on, faces, tmp_path / "by-three") == [0, 0, 0]
    assert len(names(tmp_path / "by-three")) == 2 + 2 + 3
    for run in ("by-one", "by-three"):
        assert_same(tmp_path / run, one)


def test_each_rank_reads_no_other_rows_than_its_own(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(two / "whole" / "checkpoints", tmp_path / "c")
    whole = load_checkpoint(tmp_path / "c" / "latest.pt", CPU)["head"]["weight"]
    read: list[int] = []
    file = RowFiles._read

    def noted(self: RowFiles, folder: Path, rank: int) -> Any:
        read.append(rank)
        return file(self, folder, rank)

    monkeypatch.setattr(RowFiles, "_read", noted)
    for ranks, files in {2: [[0], [1]], 3: [[0], [0, 1], [1]], 7: [[0]] * 3 + [[1]] * 4}.items():
        for rank in range(ranks):
            read.clear()
            shard = Shard(IDENTITIES, rank, ranks)
            state = load_checkpoint(tmp_path / "c" / "latest.pt", CPU, shard)
            assert torch.equal(state["head"]["weight"], whole[shard.held])
            assert read == files[rank]


def last_rows(run: Path, rank: int = 1) -> Path:
    """The file of `rank` with the rows of the newest state."""
    files = RowFiles.named_in(torch.load(run / "checkpoints" / "latest.pt"))
    assert files is not None
    return run / "checkpoints" / files.name(rank)


def one_bit(path: Path) -> None:
    """A bit of a tensor."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = next(entry for entry in archive.infolist() if "/data/" in entry.filename)
    lengths = content[entry.header_offset + 26 : entry.header_offset + 30]
    start = entry.header_offset + 30 + sum(struct.unpack("<HH", lengths))
    content[start + entry.file_size // 2] ^= 1
    path.write_bytes(content)


def altered(change: Callable[[dict[str, Any]], object]) -> Change:
    def apply(path: Path) -> None:
        state = torch.load(path)
        change(state)
        torch.save(state, path)

    return apply


def of_another_checkpoint(path: Path) -> None:
    previous = RowFiles.named_in(torch.load(path.with_name("previous.pt")))
    assert previous is not None
    shutil.copyfile(path.with_name(previous.name(1)), path)


def of_another_rank(path: Path) -> None:
    shutil.copyfile(path.with_name(path.name.replace("-1.pt", "-0.pt")), path)


DAMAGES: dict[str, Change] = {
    "missing": Path.unlink,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:1000]),
    "one bit": one_bit,
    "of another checkpoint": of_another_checkpoint,
    "of another rank": of_another_rank,
    "nan": altered(lambda rows: rows["head"]["weight"].fill_(torch.nan)),
    "inf in momentum": altered(lambda rows: next(iter(rows["momentum"].values())).fill_(torch.inf)),
    "a row too few": altered(lambda rows: rows["head"].update(weight=rows["head"]["weight"][1:].clone())),
    "a tensor too few": altered(lambda rows: rows["head"].pop("bias")),
    "huge": altered(lambda rows: rows["head"].update(weight=torch.zeros(1).expand(4, 10**12))),
    "text": altered(lambda rows: rows.update(head="text")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_rows_are_named(two: Path, tmp_path: Path, damage: Change) -> None:
    shutil.copytree(two / "stopped", tmp_path / "run")
    rows = last_rows(tmp_path / "run")
    damage(rows)
    named = rf"{rows.name}: |{rows.name.replace('-1.pt', '-0.pt')} and the files beside it have different"
    with pytest.raises(ModelError, match=named):
        load_checkpoint(tmp_path / "run" / "checkpoints" / "latest.pt", CPU)


def test_one_process_goes_on_from_the_state_before_damaged_rows(
    faces: Path, two: Path, one: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(two / "stopped", run)
    last_rows(run).unlink()
    notes: list[str] = []
    train(recipe(faces), run, resume=True, note=notes.append)
    fault = "cannot be read: no such file or directory; going on from the state before it, previous.pt"
    assert any(f"{last_rows(two / 'stopped').name}: {fault}" in note for note in notes)
    assert "going on after step 3 of 6" in notes
    assert_same(run, one)
    assert names(run) == named_by(run, "latest.pt", "previous.pt")


def test_all_ranks_use_the_state_before_where_one_finds_its_rows_damaged(
    faces: Path, two: Path, tmp_path: Path
) -> None:
    runs = [tmp_path / f"rank-{rank}" for rank in range(2)]
    for rank, run in enumerate(runs):
        shutil.copytree(two / "stopped", run)
        one_bit(last_rows(run, rank))
    assert run_on(2, tmp_path / "messages", go_on, faces, *runs) == [0, 0]
    text = (tmp_path / "messages").read_text()
    for rank, run in enumerate(runs):
        assert f"{last_rows(two / 'stopped', rank).name}: not the rows of this checkpoint" in text
        assert same_bits(run, two / "whole")
    assert text.count("going on after step 3 of 6") == 2


@pytest.mark.parametrize(
    "kept",
    [
        None,
        {},
        {"token": "../../x", "bounds": [0, 3, 7]},
        {"token": "0123456789abcdef", "bounds": [1, 7]},
        {"token": "0123456789abcdef", "bounds": [0, 3, 3, 7]},
        {"token": "0123456789abcdef", "bounds": [0]},
        {"token": "0123456789abcdef", "bounds": [0, 3, 10**9]},
        {"token": "0123456789abcdef", "bounds": "text"},
    ],
)
def test_a_checkpoint_that_names_no_rows_that_can_be(two: Path, tmp_path: Path, kept: Any) -> None:
    shutil.copytree(two / "whole" / "checkpoints", tmp_path / "c")
    altered(lambda state: state.update({ROWS: kept}))(tmp_path / "c" / "latest.pt")
    with pytest.raises(ModelError):
        load_checkpoint(tmp_path / "c" / "latest.pt", CPU, Shard(IDENTITIES, 0, 2))


def test_a_full_disk_on_one_rank_leaves_the_states_before(two: Path) -> None:
    """The run goes on, and nothing is left of the state whose rows could not be written."""
    assert same_bits(two / "full", two / "whole")
    assert names(two / "full") == named_by(two / "full", "latest.pt", "previous.pt")


def test_a_run_that_diverges_goes_back_to_rows_that_are_still_there(
    faces: Path, two: Path, tmp_path: Path
) -> None:
    poisoned(ALONE, recipe(faces, guard={"skip": 1, "then": "lower-rate"}, log_every=3), tmp_path / "alone")
    assert_same(two / "returned", tmp_path / "alone")
    assert names(two / "returned") == named_by(two / "returned", "latest.pt", "previous.pt", "good.pt")


def killed(ranks: Ranks, chosen: Recipe, out: Path, rank: int, moment: str) -> None:
    """Kill `rank` in the state of step 2: before its `moment` "checkpoint", or half-way in its "rows"."""
    write, save = torch.save, checkpoint.save_checkpoint

    def half(state: dict[str, Any], path: Path) -> None:
        write(state, path)
        if state["step"] == 2 and moment == "rows" and ranks.rank == rank:
            os.truncate(path, 1000)
            os.kill(os.getpid(), signal.SIGKILL)

    def not_at_all(path: Path, state: dict[str, Any], **options: Any) -> None:
        if state["step"] == 2 and moment == "checkpoint":
            os.kill(os.getpid(), signal.SIGKILL)
        save(path, state, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "save", half)
        patch.setattr(saving, "save_checkpoint", not_at_all)
        patch.setattr(host_copy, "SHARE", 0)  # so that there is a state of each step
        divided(ranks, chosen, out)


@pytest.mark.parametrize(("rank", "moment"), [(0, "checkpoint"), (1, "rows")])
def test_killed_before_the_checkpoint_the_state_before_is_whole(
    faces: Path, two: Path, tmp_path: Path, rank: int, moment: str
) -> None:
    run, messages = tmp_path / "run", tmp_path / "messages"
    often = recipe(faces, checkpoint_minutes=AT_EVERY_STEP)
    statuses = run_on(2, messages, killed, often, run, rank, moment)
    assert statuses[rank] == -signal.SIGKILL, messages.read_text()
    assert statuses[1 - rank] not in (0, -signal.SIGKILL)
    assert load_checkpoint(run / "checkpoints" / "latest.pt", CPU)["step"] == 1
    left = names(run) - named_by(run, "latest.pt")
    assert left, "of the state that was being written"
    assert run_on(2, messages, go_on, faces, run) == [0, 0], messages.read_text()
    assert same_bits(run, two / "whole")
    assert not left & names(run)
