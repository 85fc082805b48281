"""Going back from a training that has diverged to its last good state, with a lower learning rate."""

from __future__ import annotations

from typing import Any

from nsface.errors import counted
from nsface.recipe.sections import Guard

GOOD = "good"  # the key of a checkpoint that says whether it is a state to go back to


class Returns:
    """The returns of a training to a good state, each of which lowers the learning rate from there on.

    A good state is the one at the end of an epoch, so that a training that was stopped and resumed in between
    goes back to the same state, and ends with the same bits.

    Args:
        guard: the settings of the recipe.

    Attributes:
        made: all returns, oldest first, as environment.json records them: the step at which the training was
            seen to have diverged, the step `to` which it went back, the `learning_rate` from there on as a
            share of the recipe's, and `why`.
        rate: the learning rate as a share of the recipe's.
        at_good_state: whether the newest state, from which the training goes on, is one to go back to.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self.made: list[dict[str, Any]] = []
        self.rate = 1.0
        self.at_good_state = False
        self._used = 0

    @property
    def wanted(self) -> bool:
        """Whether the recipe asks for returns, so that good states are kept."""
        return self._guard.then == "lower-rate"

    @property
    def left(self) -> bool:
        """Whether another return is allowed."""
        return self.wanted and self._used < self._guard.returns

    def add(self, step: int, to: int, why: str) -> str:
        """Count a return from `step` back to the step `to`; returns a line about it."""
        self._used += 1
        self.rate *= self._guard.factor
        self.made.append({"step": step, "to": to, "learning_rate": self.rate, "why": why})
        return (
            f"note: {why}; going back to the state of step {to}, with {self.rate:g} times the learning rate "
            f"of the recipe (return {self._used} of {self._guard.returns})"
        )

    def begin_anew(self) -> None:
        """Take the learning rate of the recipe as it stands, which was given on purpose, and count anew."""
        self.rate, self._used = 1.0, 0

    def text(self) -> str:
        """What a message about a training that has diverged for good says of its returns; '' without any."""
        if not self._used:
            return ""
        made = counted(self._used, "return")
        return f", after {made} to an earlier state, of late with {self.rate:g} times the learning rate"

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"returns": {"made": list(self.made), "rate": self.rate, "used": self._used}}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`, which nsface 0.3 did not have."""
        kept = state.get("returns", {"made": [], "rate": 1.0, "used": 0})
        self.made = [dict(one) for one in kept["made"]]
        self.rate, self._used = float(kept["rate"]), int(kept["used"])
