"""The best state of a network so far in its training: kept in each checkpoint, and in `best.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nsface.errors import ModelError, NsfaceError
from nsface.finite import not_finite
from nsface.model import Description, Selection, network_of, read_description, save_weights
from nsface.run_folder import RunFolder


@dataclass(frozen=True)
class Best:
    """The weights, on the CPU, of the network when it scored highest, and its score."""

    selection: Selection
    weights: Mapping[str, Tensor]

    def is_beaten_by(self, other: Selection) -> bool:
        """Whether `other`, of a later step, has a higher accuracy, or the same and a higher AUC.

        So does every score on another list: the two cannot be compared.
        """
        if other.list_digest != self.selection.list_digest:
            return True
        here, there = ((one.accuracy, one.auc) for one in (self.selection, other))
        return there > here

    def save(self, run: RunFolder, description: Description) -> None:
        """Write `best.safetensors`.

        Raises:
            NsfaceError: it cannot be written.
        """
        header = description.model_copy(update={"selection": self.selection})
        save_weights(run.best_model_file, self.weights, header)

    def state(self) -> dict[str, Any]:
        """What `restored` needs, for a checkpoint."""
        return {"selection": self.selection.model_dump(), "weights": dict(self.weights)}


def restored(state: Any, description: Description) -> Best | None:
    """The best state in a checkpoint, where there was one.

    Raises:
        ModelError: `state` is none of a network of this `description`.
    """
    if state is None:
        return None
    try:
        weights = {name: tensor.cpu() for name, tensor in state["weights"].items()}
        network_of(description, weights)
        if broken := not_finite(weights):
            raise ValueError(f"not finite: {broken[0]}")
        return Best(Selection.model_validate(state["selection"]), weights)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, NsfaceError) as error:
        raise ModelError("the best model in it is not one of this training, or damaged") from error


def put_back(best: Best | None, run: RunFolder, description: Description) -> None:
    """Make `best.safetensors` what it was at the step from which the training goes on.

    It may be of a later step, up to which the training had come when it was killed.
    """
    if best is None:
        run.best_model_file.unlink(missing_ok=True)
        return
    try:
        there = read_description(run.best_model_file).selection
    except ModelError:
        there = None
    if there != best.selection:
        best.save(run, description)
