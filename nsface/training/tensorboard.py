"""The log of a training for TensorBoard (needs the extra `tensorboard`)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from nsface.errors import RecipeError
from nsface.training.whole_lines import full_disk_is_an_error


def check_installed() -> None:
    """Raise a RecipeError if the package that `tensorboard: true` needs is not installed."""
    if find_spec("tensorboard") is None:
        raise RecipeError('tensorboard: another package is needed: pip install "nsface[tensorboard]"')


class TensorBoard:
    """Writes curves, as the training goes on, into a folder that TensorBoard reads.

    A training that goes on from a saved step hides what had been written after it, so that no curve has two
    branches.

    Args:
        folder: each training that goes on adds a file to it.
        step: the step from which the training goes on.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._folder = folder
        with full_disk_is_an_error(folder):
            self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def write(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Add a point to the curve of each of `values`, which TensorBoard shows together as a `group`."""
        with full_disk_is_an_error(self._folder):  # which may be that of values before these
            for name, value in values.items():
                self._writer.add_scalar(f"{group}/{name}", value, step)

    def flush(self) -> None:
        """Return when the points are in the file."""
        with full_disk_is_an_error(self._folder):
            self._writer.flush()

    def close(self) -> None:
        """Write what is left, and close the file."""
        with full_disk_is_an_error(self._folder):
            self._writer.close()
