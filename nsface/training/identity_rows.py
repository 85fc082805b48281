"""The rows of a large classifier, its weights and their momentum, in files that each rank writes by itself.

A checkpoint of several ranks is one file, as that of a single process, for which the first rank gathers the
rows of all identities in its memory. From `LARGE` bytes on that is not done: each rank writes its own rows,
`rows-STEP-TOKEN-RANK.pt`, and when all of these files are on the disk the first rank writes the checkpoint,
which names them. They never change, and those that no checkpoint names are removed. So a kill at any moment
leaves checkpoints whose rows are there. Any number of ranks can read them, each the files that have its rows.

`torch.distributed.checkpoint` divides a state in the same way. But its checkpoint is a folder, whose list of
contents is a pickle that may run any code when it is read; it has no checksums that are verified; and nothing
in it would say that a folder is whole, or share it between the names of two checkpoints.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsface.errors import DiskFull, ModelError, shown
from nsface.files import reason, replacing
from nsface.finite import not_finite
from nsface.heads import Head
from nsface.heads.shard import Shard
from nsface.untrusted import check_stored_archive

LARGE = 1 << 30  # bytes of the weights of all identities and their momentum
ROWS = (
    "rows"  # the key of a state whose rows are in files of their own, and of one that has a rank's rows only
)

Rows = dict[str, dict[Any, Tensor]]  # "head": by name; "momentum": by the number of the parameter


def are_divided(head: Head) -> bool:
    """Whether each rank writes its own rows of `head`."""
    return head.shard is not None and size_of_rows(head) >= LARGE


def size_of_rows(head: Head) -> int:
    """The bytes of the weights of all identities and their momentum, on all ranks together."""
    weights = head.parameters_by_identity().values()
    identities = len(head.weight) if head.shard is None else head.shard.identities
    return 2 * sum(tensor.nbytes // len(tensor) * identities for tensor in weights)


def take_rows(state: dict[str, Any], head: Head, optimizer: torch.optim.Optimizer) -> Rows:
    """Remove the rows of identities from `state`, which is that of this rank alone, and return them."""
    divided = head.parameters_by_identity()
    rows: Rows = {"head": {name: state["head"].pop(name) for name in divided}, "momentum": {}}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    kept = state["optimizer"]["state"]
    for number, parameter in enumerate(parameters):
        if any(parameter is weights for weights in divided.values()):
            momentum = kept.get(number, {}).get("momentum_buffer")
            if momentum is not None:
                rows["momentum"][number] = momentum
                kept[number] = kept[number] | {"momentum_buffer": None}
    return rows


def put_rows(state: dict[str, Any], rows: Rows) -> None:
    """Put into `state` what `take_rows` has removed."""
    state["head"].update(rows["head"])
    for number, momentum in rows["momentum"].items():
        state["optimizer"]["state"][number]["momentum_buffer"] = momentum


def by_name(rows: Rows) -> dict[str, Tensor]:
    """All tensors of `rows`, by a name for messages."""
    momentum = {f"momentum {number}": tensor for number, tensor in rows["momentum"].items()}
    return {str(name): tensor for name, tensor in rows["head"].items()} | momentum


@dataclass(frozen=True)
class RowFiles:
    """The files with the rows of one checkpoint.

    Attributes:
        step: of the checkpoint.
        token: 16 hexadecimal digits, which tell its files from those of any other checkpoint.
        bounds: the file of rank k has the rows of identities bounds[k] to bounds[k + 1], without that one.
    """

    step: int
    token: str
    bounds: tuple[int, ...]

    @classmethod
    def of_shard(cls, step: int, token: str, shard: Shard) -> RowFiles:
        """The files of ranks among which the identities are divided as in `shard`."""
        return cls(step, token, (0, *(shard.held_by(rank).stop for rank in range(shard.ranks))))

    @classmethod
    def named_in(cls, state: dict[str, Any]) -> RowFiles | None:
        """The files that `state`, as it was read, names; None where its rows are in itself.

        Raises:
            ValueError: it names none that can be.
        """
        if ROWS not in state:
            return None
        kept, step = state[ROWS], state.get("step")
        token, bounds = (kept.get(key) if isinstance(kept, dict) else None for key in ("token", "bounds"))
        if not (
            type(step) is int
            and isinstance(token, str)
            and re.fullmatch("[0-9a-f]{16}", token)
            and isinstance(bounds, list)
            and all(type(bound) is int for bound in bounds)
            and bounds[:1] == [0]
            and len(bounds) > 1
            and all(one < other for one, other in pairwise(bounds))
        ):
            raise ValueError("it names no files with the rows of its identities")
        return cls(step, token, tuple(bounds))

    def described(self) -> dict[str, Any]:
        """What a state says of them, under `ROWS`."""
        return {"token": self.token, "bounds": list(self.bounds)}

    def name(self, rank: int) -> str:
        """The name of the file of `rank`."""
        return f"rows-{self.step}-{self.token}-{rank}.pt"

    def names(self) -> set[str]:
        """The names of all files."""
        return {self.name(rank) for rank in range(len(self.bounds) - 1)}

    def _header(self, rank: int) -> dict[str, Any]:
        """What the file of `rank` says of itself."""
        start, stop = self.bounds[rank : rank + 2]
        return {"step": self.step, "token": self.token, "start": start, "stop": stop}

    def save(self, folder: Path, rank: int, rows: Rows) -> None:
        """Write the file of `rank`, whole and on the disk itself, or not at all.

        Raises:
            DiskFull, NsfaceError: it cannot be written.
        """
        with replacing(folder / self.name(rank)) as temporary:
            save_tensors(self._header(rank) | rows, temporary, folder / self.name(rank))

    def load(self, folder: Path, shard: Shard | None, device: torch.device) -> Rows:
        """The rows of `shard`, or of all identities, on `device`. Other files are not opened.

        Raises:
            ModelError: a file is missing, damaged, or not of this checkpoint.
            ValueError: there are other identities.
        """
        identities = self.bounds[-1]
        if shard is not None and shard.identities != identities:
            raise ValueError(f"rows of {identities:,} identities, in place of {shard.identities:,}")
        held = slice(0, identities) if shard is None else shard.held
        slices: dict[tuple[str, Any], list[Tensor]] = {}
        files = 0
        for rank, (start, stop) in enumerate(pairwise(self.bounds)):
            first, last = max(start, held.start), min(stop, held.stop)
            if first >= last:
                continue
            rows, files = self._read(folder, rank), files + 1
            for part in ("head", "momentum"):
                for name, tensor in rows[part].items():
                    slices.setdefault((part, name), []).append(tensor[first - start : last - start])
        if any(len(pieces) != files for pieces in slices.values()):
            raise ModelError(f"{shown(folder / self.name(0))} and the files beside it have different tensors")
        rows = {"head": {}, "momentum": {}}
        for (part, name), pieces in slices.items():
            rows[part][name] = torch.cat(pieces).to(device)  # a copy, since the pieces are parts of a file
        return rows

    def _read(self, folder: Path, rank: int) -> Rows:
        """The whole file of `rank`, mapped into memory and verified."""
        path = folder / self.name(rank)
        start, stop = self.bounds[rank : rank + 2]
        try:
            check_stored_archive(path)
            content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
            if {key: content[key] for key in self._header(rank)} != self._header(rank):
                raise ValueError("of another checkpoint")
            rows = {part: dict(content[part]) for part in ("head", "momentum")}
            tensors = by_name(rows)
            if not rows["head"] or any(len(tensor) != stop - start for tensor in tensors.values()):
                raise ValueError("of other identities")
            if sum(tensor.nbytes for tensor in tensors.values()) > path.stat().st_size:
                raise ValueError("tensors that repeat a few bytes")
            broken = not_finite(tensors)
        except OSError as error:
            raise ModelError(f"{shown(path)}: cannot be read: {reason(error)}") from error
        except Exception as error:  # zipfile and unpicklers raise nearly anything for damaged files
            raise ModelError(f"{shown(path)}: not the rows of this checkpoint, or damaged ones") from error
        if broken:
            raise ModelError(f"{shown(path)}: its numbers are not finite ({shown(broken[0])})")
        return rows


def save_tensors(state: dict[str, Any], temporary: Path, path: Path) -> None:
    """Write `state` to the file `temporary`, which is to become `path`.

    Raises:
        DiskFull: the disk is full.
    """
    try:
        torch.save(state, temporary)
    except RuntimeError as error:  # PyTorch raises this when the disk is full
        raise DiskFull(
            f"cannot write {shown(path)}: PyTorch could not write all of it; is the disk full?"
        ) from error


def remove_unnamed(folder: Path, checkpoints: Iterable[Path]) -> None:
    """Remove the files with rows in `folder` that none of its `checkpoints` names, whole or begun.

    No rank may be writing one. Where a checkpoint cannot be read, all stay until it has been replaced.
    """
    found = [path for path in folder.iterdir() if path.name.startswith(("rows-", ".rows-"))]
    named: set[str] = set()
    if not found:
        return
    for path in checkpoints:
        try:
            state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
            files = RowFiles.named_in(state)
        except FileNotFoundError:
            continue
        except Exception:  # it is damaged
            return
        named |= set() if files is None else files.names()
    for path in found:
        if path.name not in named:
            with suppress(OSError):
                path.unlink()
