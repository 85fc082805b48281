"""Parts of a network that are not trained, or not at first."""

from __future__ import annotations

import torch
from torch import nn

from nsface.recipe.finetuning import WHOLE_NETWORK, Freeze
from nsface.training.optimizer import begin_momentum


class Freezing:
    """Which parts of a network are frozen in which step.

    What a frozen part is, `nsface.recipe.finetuning.Freeze` says.

    Args:
        network: the network as it is trained, without the head.
        freeze: the setting of the recipe; None: nothing is ever frozen.
        steps_per_epoch: the number of steps in an epoch of this run.

    Attributes:
        end: the step from which everything is trained; None: the parts are frozen for the whole run.
    """

    def __init__(self, network: nn.Module, freeze: Freeze | None, steps_per_epoch: int) -> None:
        names = [] if freeze is None else freeze.parts
        self._network = network
        self._parts = [network if name == WHOLE_NETWORK else network.get_submodule(name) for name in names]
        self._modules = {module for part in self._parts for module in part.modules()}
        self._frozen: bool | None = None  # before the first step
        self.end: int | None = 0
        if freeze is not None:
            epochs = None if freeze.epochs is None else freeze.epochs * steps_per_epoch
            self.end = epochs or freeze.iterations

    def begin_step(self, step: int, optimizer: torch.optim.Optimizer) -> None:
        """Freeze or release the parts as `step`, counted from 0, has it."""
        frozen = self.end is None or step < self.end
        if frozen == self._frozen:
            return
        self._frozen = frozen
        self.set_training_mode()
        begin_momentum(optimizer)

    def set_training_mode(self) -> None:
        """Put the network into train mode, but the parts that are frozen now into eval mode."""
        self._network.train()
        for part in self._parts:
            part.train(not self._frozen)
            part.requires_grad_(not self._frozen)

    def is_frozen(self, module: nn.Module) -> bool:
        """Whether `module` is inside a part that is frozen now."""
        return bool(self._frozen) and module in self._modules
