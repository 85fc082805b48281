"""Checkpoints: the state from which a training continues to the same bits, and the state before it.

The state has no random numbers: every draw depends on the run's seed and the step alone (`nsface.seeds`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsface.errors import ModelError, shown
from nsface.files import reason, replacing, sync
from nsface.finite import not_finite
from nsface.heads.shard import Shard
from nsface.ranks import ALONE, Ranks
from nsface.run_folder import PREVIOUS, RunFolder
from nsface.training.identity_rows import ROWS, RowFiles, put_rows, save_tensors
from nsface.training.state import AVERAGE
from nsface.untrusted import check_stored_archive

PARTS = {"step", "network", "head", "auxiliary", "optimizer", "meter"}  # see Trainer.state


def save_checkpoint(path: Path, state: dict[str, Any], keep_former: bool = True) -> None:
    """Write `state` (tensors, numbers, text, and dicts and lists of them) to `path`, whole or not at all.

    The former content of `path` is kept beside it as `previous.pt`, unless `keep_former` is false.

    Raises:
        DiskFull, NsfaceError: the file cannot be written.
    """
    with replacing(path) as temporary:
        save_tensors(state, temporary, path)
        sync(temporary)  # so that a disk that turns out to be full now leaves both older states
        if keep_former and path.exists() and not _also_named(path, path.with_name(PREVIOUS)):
            # without links `path` is free for a moment; the new file takes it at once
            os.replace(path, path.with_name(PREVIOUS))


def keep_as_good(run: RunFolder) -> None:
    """Keep the newest state as the one to go back to as well.

    Raises:
        NsfaceError: it cannot be written.
    """
    if not _also_named(run.latest_checkpoint, run.good_checkpoint):
        with replacing(run.good_checkpoint) as temporary:
            shutil.copyfile(run.latest_checkpoint, temporary)


def _also_named(path: Path, other: Path) -> bool:
    """Give the file at `path` the name `other` as well, in place of the file that had it, if this can be."""
    link = other.with_name(f".{other.name}.link")
    try:
        with suppress(FileNotFoundError):
            link.unlink()
        link.hardlink_to(path)
        os.replace(link, other)
        with suppress(FileNotFoundError):  # os.replace keeps it where both names are of one file
            link.unlink()
    except OSError:
        return False
    return True


def restore_newest(
    run: RunFolder,
    device: torch.device,
    restore: Callable[[dict[str, Any]], object],
    note: Callable[[str], object] | None = None,
    *,
    ranks: Ranks = ALONE,
    shard: Shard | None = None,
) -> None:
    """Call `restore` with the newest state of `run` that can be used on all `ranks`.

    If the newest state is damaged, the one before it is used, and `note` is called with a line that says why.
    The first rank also lets it replace the newest one, since otherwise the next save would keep the damaged
    state and drop the good one. All ranks must call this together; `shard` is as in `load_checkpoint`.

    Raises:
        ModelError: there is no state, or `restore` refused all.
        NsfaceError: the folder cannot be written.
    """
    faults: list[ModelError] = []
    for path in ranks.from_first(run.saved_checkpoints()):
        own = _fault(path, restore, device, shard)
        if found := [fault for fault in ranks.gathered(own) if fault is not None]:
            faults.append(found[0])
            continue
        if path == run.previous_checkpoint and ranks.first:
            if faults and note is not None:
                note(f"note: {faults[0]}; going on from the state before it, {path.name}")
            with replacing(run.latest_checkpoint) as temporary:
                shutil.copyfile(path, temporary)
        return
    if not faults:
        raise ModelError(f"{shown(run.latest_checkpoint)}: cannot be read: no such file or directory")
    raise ModelError(f"{faults[0]}, and no state before it can be used; begin again in another folder, --out")


def _fault(
    path: Path, restore: Callable[[dict[str, Any]], object], device: torch.device, shard: Shard | None
) -> ModelError | None:
    """Call `restore` with the state at `path`; returns why that cannot be used."""
    try:
        state = load_checkpoint(path, device, shard)
        try:
            restore(state)
        except ModelError as error:
            raise ModelError(f"{shown(path)}: {error}") from error
    except ModelError as error:
        return error
    return None


def load_checkpoint(path: Path, device: torch.device, shard: Shard | None = None) -> dict[str, Any]:
    """Read a file of `save_checkpoint`. Only tensors and plain values are unpickled.

    Where the rows of identities are in files of their own, they are read into the state: all rows, which
    makes it the state of a single process, or with `shard` those of its identities alone, which the key
    `ROWS` says.

    Raises:
        ModelError: the file, or one that it names, is missing, damaged (even by one bit), or has numbers that
            are not finite.
    """
    try:
        check_stored_archive(path)
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except OSError as error:
        raise ModelError(f"{shown(path)}: cannot be read: {reason(error)}") from error
    except Exception as error:  # zipfile and unpicklers raise nearly anything for damaged files
        raise ModelError(f"{shown(path)}: not a checkpoint of nsface, or a damaged one") from error
    if not isinstance(state, dict) or not state.keys() >= PARTS:
        raise ModelError(f"{shown(path)}: not a checkpoint of nsface")
    try:
        found = tensors(state)
        if sum(tensor.nbytes for tensor in found.values()) > path.stat().st_size:
            raise ValueError("tensors that repeat a few bytes")
        broken = not_finite(found)
        if files := RowFiles.named_in(state):
            put_rows(state, files.load(path.parent, shard, device))
            if shard is None:
                del state[ROWS]
    except (AttributeError, TypeError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"{shown(path)}: not a checkpoint of nsface, or a damaged one") from error
    if broken:
        raise ModelError(f"{shown(path)}: its numbers are not finite ({shown(broken[0])})")
    return state


def tensors(state: dict[str, Any]) -> dict[str, Tensor]:
    """All tensors of a trainer's state, by a name for messages."""
    found = {name: t for part in ("network", "head", "auxiliary") for name, t in state[part].items()}
    found |= {f"{AVERAGE} {name}": t for name, t in state.get(AVERAGE, {}).items()}
    for number, kept in state["optimizer"]["state"].items():
        found |= {f"{key} {number}": value for key, value in kept.items() if isinstance(value, Tensor)}
    return found | {"meter": state["meter"]["sums"]}
