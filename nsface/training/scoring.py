"""What is found out of a network while it is trained: its scores on pairs, or its error on test images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol


class Scoring(Protocol):
    """What `run_to_end` needs of a `Validator` and of a `ClassificationTests`."""

    def begin(self) -> None:
        """Remove from the folder what came after the step from which the training goes on."""

    def due(self) -> bool:
        """Whether a score belongs to the step just done and has not been found yet."""

    def validate_if_due(self, stopped: Callable[[], bool]) -> bool:
        """Find and write the score that is due; False, with nothing written, where it was stopped."""

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue from this step."""

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the `state` of a checkpoint."""

    def text(self) -> str:
        """The last scores, for the progress; '' before the first."""

    def points(self) -> Iterator[tuple[str, dict[str, float], int]]:
        """The last scores for curves: group, numbers by name, step."""

    def summary(self) -> list[str]:
        """Lines about the scores, for the end of the run."""
