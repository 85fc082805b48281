"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from nsface.device import tf32
from nsface.errors import ModelError, NsfaceError, RecipeError, listing
from nsface.finite import not_finite
from nsface.heads import Head
from nsface.images.batches.loader import BatchLoader
from nsface.ranks import ALONE, Ranks
from nsface.recipe.schema import Recipe
from nsface.seeds import derived_seed
from nsface.training.average import Average
from nsface.training.compiling import Compilation, compile_network, is_wanted, random_images
from nsface.training.freezing import Freezing
from nsface.training.guards.learning import Learning
from nsface.training.guards.returning import GOOD, Returns
from nsface.training.guards.skipping import Skipped
from nsface.training.identity_rows import ROWS
from nsface.training.meter import Meter
from nsface.training.optimizer import make_optimizer, restore_optimizer, set_rate
from nsface.training.schedule import learning_rate
from nsface.training.state import AVERAGE, change_identity_rows, checked_step
from nsface.training.step import Step, Taken

Line = dict[str, float]


class Diverged(NsfaceError):
    """A loss, or a weight, is no longer finite."""


@runtime_checkable
class Advancing(Protocol):
    """A module that changes over the run: a head, a loss, an activation, or any other part of a network."""

    def advance(self, step: int, total: int) -> None:
        """Set the step that the next forward pass belongs to: `step`, from 0, of a run of `total` steps."""


class Trainer:
    """A network, its head, auxiliary losses and their optimiser, and the number of steps done.

    Args:
        recipe: the settings of the optimiser, the schedule and the length of the run.
        network: images (B, 3, H, W) to embeddings (B, D).
        head: the loss of embeddings under their labels.
        auxiliary: further losses by name, each an `Auxiliary`, added to the head's with their weights.
        loader: the batches of each epoch.
        device: where everything is computed.
        dtype: the type that the network's convolutions run in; weights, head and loss stay float32.
        ranks: the processes that train together; each has the loss of the whole batch, and its own part of
            the head.

    Attributes:
        seconds_beside: since the last line, spent on other work than steps between them; it is not part of
            `images_per_second`.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        head: Head,
        auxiliary: nn.ModuleDict,
        loader: BatchLoader,
        device: torch.device,
        dtype: torch.dtype,
        ranks: Ranks = ALONE,
    ) -> None:
        self.recipe = recipe
        network = ranks.with_shared_batch_norm(network, device, recipe.compile == "on")
        self.network = network.to(device).to(memory_format=torch.channels_last).train()
        self.head = head.to(device).train()
        self.auxiliary = auxiliary.to(device).train()
        self.loader = loader
        self.device = device
        self.dtype = dtype
        self.ranks = ranks
        self.optimizer = make_optimizer(recipe.optimizer, [self.head, self.auxiliary], self.network)
        self.take_step = Step(recipe, self.network, self.head, self.auxiliary, self.optimizer, dtype, ranks)
        self.average = None if recipe.ema is None else Average(self.network, recipe.ema)
        self.freezing = Freezing(self.network, recipe.freeze, loader.batches_per_epoch)
        self.meter = Meter(device, list(auxiliary))
        self.returns = Returns(recipe.guard)
        self._compilation: Compilation | None = None
        self.step = 0
        self.seconds_beside = 0.0
        self.total_steps = recipe.iterations or (recipe.epochs or 0) * loader.batches_per_epoch
        steps_per_epoch = loader.batches_per_epoch
        self.learning = Learning(recipe, self.head, loader.labels, steps_per_epoch, self.total_steps)
        # the schedule counts time in iterations or in epochs, as the recipe does
        self._steps_per_time = 1 if recipe.iterations else loader.batches_per_epoch
        parts = (self.network, self.head, self.auxiliary)
        self._advancing = [m for part in parts for m in part.modules() if isinstance(m, Advancing)]

    def compile(self) -> Compilation:
        """Compile the network as the recipe says, once; returns how that went.

        Raises:
            RecipeError: it cannot be compiled, and the recipe has `compile: on`.
        """
        if self._compilation is None:
            self._compilation = self._compiled()
            if self._compilation.embed is not None:
                self.take_step.replica.embed = self._compilation.embed
        return self._compilation

    def _compiled(self) -> Compilation:
        recipe = self.recipe
        if not is_wanted(recipe.compile, self.device, self.total_steps):
            return Compilation()
        if self.ranks.count > 1 and recipe.compile == "auto":  # whether it would gain anything is not known
            return Compilation(why_not="several ranks train together; give compile: on to compile on each")
        parts = recipe.accumulate
        images = random_images(recipe, recipe.batch_size // (parts * self.ranks.count), self.device)
        with tf32(self.take_step.tf32, self.device):
            return compile_network(self.network, recipe.compile, images, self.dtype, parts, self.ranks)

    def run(self) -> Iterator[Line | None]:
        """Train from the present step to the end; yield after every step: a line to log where due, or None.

        Only making a line waits for the device. The iteration may stop after any step, and `state` be saved.
        There is no line where all steps since the last one were skipped.

        Raises:
            Diverged: too many steps in a row were skipped, or the embeddings of the finished network are not
                finite.
        """
        self.compile()
        logged, since, self.seconds_beside = self.step, time.perf_counter(), 0.0
        while self.step < self.total_steps:
            epoch, first = divmod(self.step, self.loader.batches_per_epoch)
            for images, labels in self.loader.epoch(epoch, first):
                due = (self.step + 1) % self.recipe.log_every == 0 or self.step + 1 == self.total_steps
                rate, taken = self._train_step(images, labels)
                if self.step == self.total_steps:
                    self._check_embeddings(images)
                if not due or (line := self._line(taken, rate)) is None:
                    yield None
                else:
                    now = time.perf_counter()
                    speed = (self.step - logged) * len(labels) / (now - since - self.seconds_beside)
                    logged, since, self.seconds_beside = self.step, now, 0.0
                    yield line | {"images_per_second": speed}
                if self.step == self.total_steps:
                    return

    def _train_step(self, images: Tensor, labels: Tensor) -> tuple[float, Taken]:
        """Take a step; returns the learning rate, and what the step leaves for the log."""
        seed = self.recipe.seed
        torch.manual_seed(derived_seed(seed, self.ranks.stream("dropout"), self.step))
        self.head.reseed(derived_seed(seed, "noise", self.step))
        self.freezing.begin_step(self.step, self.optimizer)
        for module in self._advancing:
            if not self.freezing.is_frozen(module):
                module.advance(self.step, self.total_steps)
        optimizer = self.recipe.optimizer
        rate = learning_rate(
            self.recipe.schedule,
            optimizer.learning_rate,
            self.step / self._steps_per_time,
            self.total_steps / self._steps_per_time,
        )
        rate *= self.returns.rate
        set_rate(self.optimizer, rate)
        if self.average is not None and self.step == 0:
            self.average.begin()  # here the network has the weights of `init`
        taken = self.take_step(images, labels)
        if self.average is not None:
            self.average.update(self.step)
        self.meter.add(taken.output, taken.auxiliary_losses, taken.finite)
        self.learning.add(self.step, taken.output, taken.finite)
        self.step += 1
        return rate, taken

    def _line(self, taken: Taken, rate: float) -> Line | None:
        """The line of the log after a step, without the speed; None if all steps it is about were skipped."""
        skipped = self._check_skipped(taken)
        means = self.meter.read()
        if not math.isfinite(means["loss"]):
            return None
        self.take_step.skipping.begin_line()
        return {
            "step": self.step,
            "epoch": self.step / self.loader.batches_per_epoch,
            **means,
            "gradient_norm": self.take_step.skipping.norm(),
            "learning_rate": rate,
            "skipped": skipped.since,
        }

    def in_doubt(self) -> bool:
        """Whether the last step was skipped, so that its state may be useless. This waits for the device.

        All ranks must call it together.

        Raises:
            Diverged: too many steps in a row were skipped, or what is trained is not finite.
        """
        skipped = self._check_skipped()
        if broken := self._not_finite():
            raise Diverged(f"what is trained is no longer finite at step {self.step} ({broken})")
        return skipped.row > 0

    def _check_skipped(self, taken: Taken | None = None) -> Skipped:
        """How many steps were skipped; raises if that cannot go on. `taken` is what the last step left."""
        skipped = self.take_step.skipping.read()
        what = "the loss or the norm of the gradient is not finite"
        if taken is not None and skipped.row:
            what = taken.not_finite()
        if skipped.row and (broken := self._not_finite()):
            raise Diverged(f"{what} at step {self.step}, and what is trained no longer finite ({broken})")
        if skipped.longest >= min(self.recipe.guard.skip, self.total_steps):
            where = "at" if skipped.row else "before"
            raise Diverged(f"{what} {where} step {self.step}, in {skipped.longest} steps in a row")
        return skipped

    def _not_finite(self) -> str:
        """What of the weights and their momentum is not finite, on whichever rank; empty if all are."""
        parts = (self.network, self.head, self.auxiliary)
        found = {name: tensor for part in parts for name, tensor in part.state_dict().items()}
        for number, kept in enumerate(self.optimizer.state.values()):
            found |= {f"momentum {number}": tensor for tensor in kept.values() if isinstance(tensor, Tensor)}
        broken = not_finite(found)
        return (listing(broken, 3) or "on another rank") if self.ranks.any(bool(broken)) else ""

    @torch.no_grad()
    def _check_embeddings(self, images: Tensor) -> None:
        """Raise if embeddings are not finite: finite weights can be so large that they overflow."""
        network = self.model().eval()
        parts = images.chunk(self.recipe.accumulate)
        finite = [network(self.recipe.input.normalise(part)).isfinite().all() for part in parts]
        self.freezing.set_training_mode()
        if self.ranks.any(not all(finite)):
            raise Diverged(f"the embeddings of the network are not finite after its last step, {self.step}")

    def model(self) -> nn.Module:
        """The network whose embeddings are to be used, in any mode: with `ema`, that of the averages."""
        return self.network if self.average is None else self.average.network

    def _modules(self) -> dict[str, nn.Module]:
        """What is saved of modules, by the name of its part in `state`."""
        modules = {"network": self.network, "head": self.head, "auxiliary": self.auxiliary}
        return modules if self.average is None else modules | {AVERAGE: self.average.network}

    def state(self, divided: bool = False) -> dict[str, Any]:
        """Everything that `restore` needs to continue from this step to the same bits.

        All ranks must call it together; the first receives the state of all, as a single process has it. With
        `divided`, each has its own rows of identities.
        """
        state = {name: module.state_dict() for name, module in self._modules().items()} | {
            "step": self.step,
            "optimizer": self.optimizer.state_dict(),
            "meter": self.meter.state(),
            "guard": self.take_step.skipping.state() | self.learning.state() | self.returns.state(),
        }
        if self.head.shard is not None and not divided:
            gather = self.head.shard.gather_on_first_rank
            change_identity_rows(state, self.head, self.optimizer, gather)
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`; the optimiser's settings stay those of the recipe.

        Raises:
            ModelError: it is not the state of such a training.
            RecipeError: the run has fewer steps than `state` has done.
        """
        try:
            step = checked_step(state, self._modules(), self.optimizer)
            if self.head.shard is not None and ROWS not in state:
                change_identity_rows(state, self.head, self.optimizer, self.head.shard.own_part)
            for name, module in self._modules().items():
                module.load_state_dict(state[name])
            restore_optimizer(self.optimizer, state["optimizer"])
            self.meter.restore(state["meter"])
            if "guard" in state:  # nsface 0.3 counted nothing
                self.take_step.skipping.restore(state["guard"])
                self.learning.restore(state["guard"])
                self.returns.restore(state["guard"])
            self.returns.at_good_state = bool(state.get(GOOD))
            # what it has set up belongs to the step before
            self.freezing = Freezing(self.network, self.recipe.freeze, self.loader.batches_per_epoch)
        # what a foreign state raises, which may hold anything in place of a tensor or a dictionary
        except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise ModelError("not a checkpoint of this training, or a damaged one") from error
        if step > self.total_steps:
            raise RecipeError(f"the run is at step {step} already, and is to have {self.total_steps}")
        self.step = step
