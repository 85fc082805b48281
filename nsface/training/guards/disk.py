"""A disk that is nearly full: the newest state stays, and the training goes on as long as it can."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from nsface.errors import DiskFull, shown

_SPARE = 1 << 20  # bytes for what stands in a file beside tensors, and for a line of the log


class Disk:
    """Decides what happens where a state cannot be written: a line says so once, or the run ends.

    Args:
        path: of the file with the newest state; its folder is there.
        note: called with that line, in the thread of `say`.
    """

    def __init__(self, path: Path, note: Callable[[str], object] | None) -> None:
        self._path, self._note = path, note
        self._line: str | None = None
        self._said = False

    def shortage(self, size: int) -> str | None:
        """What is missing to write `size` bytes beside the files that are there; None if nothing is."""
        needed, free = size + size // 100 + _SPARE, shutil.disk_usage(self._path.parent).free
        if needed <= free:
            return None
        return f"a state takes {amount(needed)}, and {amount(free)} are free"

    def full(self, why: str, saved_step: int, needed: bool) -> None:
        """Remember that a state could not be written, for `say`.

        Args:
            why: the reason.
            saved_step: the step of the newest state; 0: there is none.
            needed: whether the run ends with that state.

        Raises:
            DiskFull: it is needed.
        """
        stays = f"the state of step {saved_step} stays" if saved_step else "no state has been saved yet"
        if needed:
            raise DiskFull(
                f"cannot write {shown(self._path)}: {why}; {stays}; free some space and go on with the same "
                "command and --resume"
            )
        self._line = (
            f"note: the disk is nearly full: {why}; {stays}, and the training goes on; a later state is "
            "written if there is room"
        )

    def say(self) -> None:
        """Say what `full` has been told, once in a run."""
        if self._line is not None and not self._said and self._note is not None:
            self._said = True
            self._note(self._line)


def amount(size: int) -> str:
    """`size` bytes in words: `1.9 MiB`, `4.21 GiB`."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**27 else f"{size / 2**20:.1f} MiB"
