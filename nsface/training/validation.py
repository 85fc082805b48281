"""Validation while training: scores of the network on pairs of faces, a line for each, and the best state.

Nothing of the training is touched. The weights are copied into another network, which is prepared as
`nsface extract` prepares a model file, so that the scores are those of the same weights in a file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nsface.embeddings.model import Model, as_array, channels_first, in_use
from nsface.errors import DiskFull, ModelError
from nsface.model import Description, Selection, network_of
from nsface.results import Verification
from nsface.run_folder import RunFolder
from nsface.training.best import Best, put_back, restored
from nsface.training.trainer import Diverged, Trainer
from nsface.training.validation_sets import ValidationSet
from nsface.training.whole_lines import WholeLines

VALIDATION = "validation"  # the key of a checkpoint with what `Validator.state` returns
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class Score:
    """What a network scored in a validation, as it stands in `validation.jsonl`."""

    step: int
    epoch: float
    name: str
    accuracy: float
    standard_error: float
    auc: float
    held_out: bool = False
    best: bool = False
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} {100 * self.accuracy:.2f} ± {100 * self.standard_error:.2f} %"


_FIELDS = {field.name for field in fields(Score)}


class Validator:
    """Validates where a validation is due, and keeps the best state by the first of the sets.

    Every rank embeds its part of the images; the first one measures and writes.

    Args:
        trainer: the trainer whose network is validated.
        run: the folder with `validation.jsonl` and `best.safetensors`.
        sets: what is validated on; without any, nothing is ever due.
        description: the header of a model file of the network.
        note: called with a line where the best model cannot be written, since the disk is nearly full.

    Attributes:
        scores: the last score on each set, by its name.
        best: the best state so far; None before the first validation.
    """

    def __init__(
        self,
        trainer: Trainer,
        run: RunFolder,
        sets: Sequence[ValidationSet],
        description: Description,
        note: Callable[[str], object] | None = None,
    ) -> None:
        self._note, self._said = note, False  # that there is no room for the best model
        self._written = True  # what is the best so far, into best.safetensors
        self._trainer, self._run, self._sets, self._description = trainer, run, sets, description
        self._validated_step = 0
        self.scores: dict[str, Score] = {}
        self.best: Best | None = None

    def begin(self) -> None:
        """Remove from the folder what came after the step from which the training goes on."""
        if not self._sets or not self._trainer.ranks.first:
            return
        self._run.shorten_validation(self._trainer.step - self.due())
        names, self.scores = {one.name for one in self._sets}, {}
        for line in self._run.read_validation():
            if line["name"] in names:
                self.scores[line["name"]] = Score(**{key: line[key] for key in line.keys() & _FIELDS})
        put_back(self.best, self._run, self._description)
        for held_out in (one.held_out for one in self._sets if one.held_out):
            self._run.write_held_out(held_out.identities, held_out.pairs)

    def due(self) -> bool:
        """Whether a validation belongs to the step just done and has not been made yet."""
        return self._validated_step != self._trainer.step and bool(self._due_sets())

    def validate_if_due(self, stopped: Stopped) -> bool:
        """Validate on every set that is due; False, with nothing written, where it was stopped meanwhile.

        All ranks must call it together.

        Args:
            stopped: whether to give up; asked before each batch.

        Raises:
            Diverged: embeddings are not finite.
            NsfaceError: the scores or the best model cannot be written.
        """
        if not self.due():
            return True
        began = time.perf_counter()
        weights = self._weights()
        network = network_of(self._description, weights)
        trainer = self._trainer
        model = in_use("the network", network, self._description, trainer.device, trainer.dtype)
        scores: list[Score] = []
        for one in self._due_sets():
            start = time.perf_counter()
            vectors = self._embedded(one, model, stopped)
            if vectors is None:
                return False
            if trainer.ranks.first:
                scores.append(self._score(one, one.measure(vectors), start))
        if trainer.ranks.first:
            self._record(scores, weights)
        self._validated_step = trainer.step
        trainer.seconds_beside += time.perf_counter() - began
        return True

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue from this step; empty without sets."""
        if not self._sets:
            return {}
        best = None if self.best is None else self.best.state()
        return {VALIDATION: {"step": self._validated_step, "best": best}}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the `state` of a checkpoint, which may be of a training without validation.

        Raises:
            ModelError: it holds something else than `state` gave.
        """
        kept = state.get(VALIDATION)
        if not self._sets or kept is None:
            return
        if not isinstance(kept, dict) or type(kept.get("step")) is not int or "best" not in kept:
            raise ModelError("what it says of validations is damaged")
        self._validated_step, self.best = kept["step"], restored(kept["best"], self._description)

    def text(self) -> str:
        """The last scores, for the progress: `, lfw 88.51 ± 0.42 %`; '' before the first."""
        return "".join(f", {score}" for score in self._in_order())

    def points(self) -> Iterator[tuple[str, dict[str, float], int]]:
        """The last scores for curves: group, numbers by name, step."""
        for score in self.scores.values():
            yield f"validation/{score.name}", {"accuracy": score.accuracy, "auc": score.auc}, score.step

    def summary(self) -> list[str]:
        """A line about the scores of the last and of the best state; none without validations."""
        if self.best is None or not self.scores:
            return []
        best = self.best.selection
        chosen = Score(name=best.validation, **best.model_dump(exclude={"validation", "list_digest"}))
        where = f"{self._run.best_model_file.name}, epoch {best.epoch:.3g}, step {best.step:,}"
        last = ", ".join(map(str, self._in_order()))
        return [f"validation: {last} at the end; the best: {chosen} ({where})"]

    def _in_order(self) -> list[Score]:
        return [self.scores[one.name] for one in self._sets if one.name in self.scores]

    def _due_sets(self) -> list[ValidationSet]:
        trainer = self._trainer
        if trainer.step == 0:
            return []
        last = trainer.step == trainer.total_steps
        epoch = trainer.loader.batches_per_epoch
        return [one for one in self._sets if last or trainer.step % max(1, round(one.every * epoch)) == 0]

    def _weights(self) -> dict[str, Tensor]:
        """A copy on the CPU of the weights to validate. Running statistics are those of the first rank."""
        model = self._trainer.model()
        weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}
        if self._trainer.ranks.count == 1:
            return weights
        statistics = {name: weights[name] for name, _ in model.named_buffers() if name in weights}
        return weights | self._trainer.ranks.from_first(statistics)

    def _embedded(self, one: ValidationSet, model: Model, stopped: Stopped) -> npt.NDArray[np.float32] | None:
        """Embeddings of all images of a set, as `nsface extract` makes them; None where it was stopped."""
        ranks, parts = self._trainer.ranks, list[Tensor]()
        for pixels in one.batches():
            if stopped():
                break
            parts.append(model.start_batch(channels_first(pixels), "sum"))
        if ranks.any(stopped()):
            return None
        vectors = np.concatenate(list(ranks.interleaved(map(as_array, parts))))
        if not np.isfinite(vectors).all():
            raise Diverged(f"the embeddings of the network are not finite at step {self._trainer.step}")
        return vectors

    def _score(self, one: ValidationSet, result: Verification, start: float) -> Score:
        assert result.accuracy is not None
        assert result.standard_error is not None
        return Score(
            step=self._trainer.step,
            epoch=self._trainer.step / self._trainer.loader.batches_per_epoch,
            name=one.name,
            accuracy=result.accuracy,
            standard_error=result.standard_error,
            auc=result.auc,
            held_out=one.held_out is not None,
            seconds=round(time.perf_counter() - start, 3),
        )

    def _record(self, scores: Sequence[Score], weights: dict[str, Tensor]) -> None:
        """Write the scores, and the model where it is the best so far."""
        chooser = self._sets[0]
        if scores[0].name == chooser.name:
            values = vars(scores[0]) | {"validation": chooser.name, "list_digest": chooser.list_digest}
            selection = Selection(**{key: values[key] for key in Selection.model_fields})
            if self.best is None or self.best.is_beaten_by(selection):
                self.best, self._written = Best(selection, weights), False
                scores = [replace(scores[0], best=True), *scores[1:]]
        self._write_best()
        self.scores |= {score.name: score for score in scores}
        with closing(WholeLines(self._run.validation_file)) as file:
            file.write("".join(json.dumps(vars(score)) + "\n" for score in scores))
            file.sync()  # before a checkpoint says that the validation was made

    def _write_best(self) -> None:
        """Write the best model where that has not been done; where the disk is nearly full, later.

        Raises:
            DiskFull: there is no later, since the training is at its last step.
        """
        if self.best is None or self._written:
            return
        try:
            self.best.save(self._run, self._description)
            self._written = True
        except DiskFull as error:
            if self._trainer.step == self._trainer.total_steps:
                raise DiskFull(
                    f"{error}; free some space and go on with the same command and --resume"
                ) from error
            if self._note is not None and not self._said:
                self._said = True
                self._note(f"note: {error}; the training goes on, and the best model is written later")
