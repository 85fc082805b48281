"""The tests of a classification: the error on the images of the test part, a line for each test.

Nothing is chosen by them: the model is that of the last step, and the lines show the best test as well.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from nsface.errors import DataError, ModelError, listing, shown
from nsface.images.pixels import load_pixels
from nsface.images.sources.parts_of_sets import open_part
from nsface.metrics.calibration_error import calibration_errors
from nsface.recipe.schema import Recipe
from nsface.run_folder import RunFolder
from nsface.training.meter import SATURATED
from nsface.training.trainer import Diverged, Trainer
from nsface.training.whole_lines import WholeLines

BATCH = 500  # images that are classified at once
TEST = "test"  # the key of a checkpoint with what `ClassificationTests.state` returns
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class LabelledImages:
    """The test part of a set: pixels, uint8, N × H × W × 3, and labels, int64 in [0, C), of shape (N,)."""

    location: str
    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


def images_to_test(recipe: Recipe, classes: list[str]) -> LabelledImages:
    """Read the test part of the data of `recipe`.

    Args:
        classes: the names of the classes, in the order of labels.

    Raises:
        DataError: there is no test part, an image cannot be used, or its class is none of `classes`.
    """
    source = open_part(str(recipe.data), "test")
    number = {name: label for label, name in enumerate(classes)}
    if unknown := sorted(set(source.identities) - number.keys()):
        raise DataError(
            f"{shown(source.location)}: classes of the test part that have no training images: "
            f"{listing(unknown, 3)}"
        )
    labels = np.array([number[name] for name in source.identities], np.int64)
    pixels = load_pixels(source, range(len(source)), recipe.input.height, recipe.input.width)
    return LabelledImages(source.location, np.asarray(pixels), labels)


@dataclass(frozen=True)
class Tested:
    """What the test images gave after a step, as it stands in `test.jsonl`.

    Attributes:
        images: N.
        error: the share of images for which another class has a logit as large as that of their own.
        loss: the mean cross entropy, without noise or margin.
        probability: the mean of p_y, the probability of the own class.
        saturated: the share of images with p_y > 0.999.
        ece, mce: the expected and the maximum calibration error, in ten bins.
    """

    step: int
    epoch: float
    images: int
    error: float
    loss: float
    probability: float
    saturated: float
    ece: float
    mce: float
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"test error {100 * self.error:.2f} %"


_FIELDS = {field.name for field in fields(Tested)}


class ClassificationTests:
    """Tests where a test is due; it takes the place of a `Validator` in a classification.

    Args:
        trainer: the trainer whose network and head are tested, in the precision in which they are trained.
        run: the folder with `test.jsonl`.
        images: what is tested on.

    Attributes:
        tests: all so far, in their order.
    """

    def __init__(self, trainer: Trainer, run: RunFolder, images: LabelledImages) -> None:
        self._trainer, self._run, self._images = trainer, run, images
        self._tested_step = 0
        self.tests: list[Tested] = []

    def begin(self) -> None:
        """Remove from the folder what came after the step from which the training goes on."""
        self._run.shorten_tests(self._trainer.step - self.due())
        self.tests = [
            Tested(**{key: line[key] for key in line.keys() & _FIELDS}) for line in self._run.read_tests()
        ]

    def due(self) -> bool:
        """Whether a test belongs to the step just done and has not been made yet."""
        trainer = self._trainer
        if trainer.step in (0, self._tested_step):
            return False
        every = max(1, round(trainer.recipe.test_every * trainer.loader.batches_per_epoch))
        return trainer.step == trainer.total_steps or trainer.step % every == 0

    def validate_if_due(self, stopped: Stopped) -> bool:
        """Test if that is due; False, with nothing written, where it was stopped meanwhile.

        Args:
            stopped: whether to give up; asked before each batch.

        Raises:
            Diverged: logits are not finite.
            DiskFull: the line cannot be written.
        """
        if not self.due():
            return True
        began = time.perf_counter()
        logits = self._logits(stopped)
        if logits is None:
            return False
        trainer = self._trainer
        if not logits.isfinite().all():
            raise Diverged(f"the logits of the test images are not finite at step {trainer.step}")
        made = result_of(logits, torch.from_numpy(self._images.labels))
        seconds = time.perf_counter() - began
        epoch = trainer.step / trainer.loader.batches_per_epoch
        self.tests.append(Tested(step=trainer.step, epoch=epoch, seconds=round(seconds, 3), **made))
        with closing(WholeLines(self._run.test_file)) as file:
            file.write(json.dumps(vars(self.tests[-1])) + "\n")
            file.sync()  # before a checkpoint says that the test was made
        self._tested_step = trainer.step
        trainer.seconds_beside += time.perf_counter() - began
        return True

    @torch.no_grad()
    def _logits(self, stopped: Stopped) -> Tensor | None:
        """The logits of all test images, on the CPU; None where it was stopped."""
        trainer, parts = self._trainer, list[Tensor]()
        network, head = trainer.model().eval(), trainer.head.eval()
        mixed = trainer.dtype != torch.float32
        try:
            for start in range(0, len(self._images.labels), BATCH):
                if stopped():
                    return None
                pixels = torch.from_numpy(self._images.pixels[start : start + BATCH]).to(trainer.device)
                images = trainer.recipe.input.normalise(pixels.permute(0, 3, 1, 2).float())
                with torch.autocast(trainer.device.type, trainer.dtype, enabled=mixed):
                    features = network(images)
                parts.append(head.logits(features).cpu())
        finally:
            trainer.freezing.set_training_mode()
            head.train()
        return torch.cat(parts)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue from this step."""
        return {TEST: self._tested_step}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the `state` of a checkpoint.

        Raises:
            ModelError: it holds something else than `state` gave.
        """
        step = state.get(TEST, 0)
        if type(step) is not int:
            raise ModelError("what it says of tests is damaged")
        self._tested_step = step

    def text(self) -> str:
        """The last test, for the progress; '' before the first."""
        return f", {self.tests[-1]}" if self.tests else ""

    def points(self) -> Iterator[tuple[str, dict[str, float], int]]:
        """The last test by name, for curves: its group, its numbers, its step."""
        if self.tests:
            last = self.tests[-1]
            yield TEST, {key: getattr(last, key) for key in ("error", "loss", "ece")}, last.step

    def summary(self) -> list[str]:
        """A line about the last and the best test; none without tests."""
        if not self.tests:
            return []
        last, best = self.tests[-1], min(self.tests, key=lambda test: test.error)
        return [
            f"{last} after the last step, {100 * best.error:.2f} % in the best of {len(self.tests)} tests "
            f"(step {best.step:,}); ECE {100 * last.ece:.2f} %; the model is that of the last step"
        ]


def result_of(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """The numbers of a `Tested`.

    Args:
        logits: N × C.
        labels: int64 in [0, C), of shape (N,).
    """
    logits = logits.double()
    own = logits.gather(1, labels[:, None]).squeeze(1)
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1)
    correct = own > others
    probabilities = logits.softmax(dim=1)
    probability = probabilities.gather(1, labels[:, None]).squeeze(1)
    # float64 sums may end a rounding above 1
    confidence = probabilities.amax(dim=1).clamp(0, 1)
    ece, mce = calibration_errors(confidence.numpy(), correct.numpy())
    return {
        "images": len(labels),
        "error": int((~correct).sum()) / len(labels),
        "loss": float(F.cross_entropy(logits, labels)),
        "probability": float(probability.mean()),
        "saturated": float((probability > SATURATED).double().mean()),
        "ece": ece,
        "mce": mce,
    }
