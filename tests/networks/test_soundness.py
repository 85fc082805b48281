"""Every network takes a training step on this processor, in a process of its own; and a death is noticed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
import torch

from nsface.networks import NETWORKS
from nsface.networks.soundness import COMPARED, PRECISIONS, Step, TakeStep, examine, steps, take_step


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_step_of_every_network(network: str, precision: str) -> None:
    verdict = examine(network, precision)
    assert verdict.fault is None
    assert (verdict.network, verdict.precision) == (network, precision)


def killed(network: str, step: Step, precision: str) -> str | None:
    if step.batch == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    return None


def aborted(network: str, step: Step, precision: str) -> str | None:
    os.abort()


def left(network: str, step: Step, precision: str) -> str | None:
    os._exit(3)


def without_a_kernel(network: str, step: Step, precision: str) -> str | None:
    raise RuntimeError("could not create a primitive\nwith more lines")


def wrong(network: str, step: Step, precision: str) -> str | None:
    return "the numbers are wrong"


@pytest.mark.parametrize(
    ("take", "fault"),
    [
        (killed, "the process died with SIGSEGV (batch of 2, 16×16)"),
        (aborted, "the process died with SIGABRT (batch of 8, 17×21)"),
        (left, "the process died with exit status 3 (batch of 8, 17×21)"),
        (without_a_kernel, "could not create a primitive (batch of 8, 17×21)"),
        (wrong, "the numbers are wrong (batch of 8, 17×21)"),
    ],
)
def test_what_went_wrong_is_told_and_the_next_network_is_not_harmed(take: TakeStep, fault: str) -> None:
    assert examine("light-resnet", "fp32", take).fault == fault
    assert examine("sphereface-4", "fp32").fault is None


def test_the_smallest_sizes_are_among_the_steps() -> None:
    for network in NETWORKS:
        assert {step.batch for step in steps(network)} == {2, 8}
        assert any(step.height % 2 and step.width % 2 for step in steps(network))
    assert {1, 7, 8, 9} <= {step.arguments.get("channels") for step in steps("light-resnet")}


@pytest.mark.parametrize("network", sorted(COMPARED))
@pytest.mark.parametrize("precision", PRECISIONS)
def test_wrong_numbers_are_noticed(network: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # a kernel whose gradient is wrong in the precision of the step and right in float64
    right: Callable[..., torch.Tensor] = torch.nn.functional.conv2d

    def wrong(maps: torch.Tensor, weight: torch.Tensor, *rest: object) -> torch.Tensor:
        if maps.dtype != torch.float64:
            weight = weight.detach() * 2 - weight  # the same values, and a gradient of the other sign
        return right(maps, weight, *rest)

    monkeypatch.setattr(torch.nn.functional, "conv2d", wrong)
    fault = take_step(network, Step(17, 21, 8), precision)
    assert fault is not None
    assert "the gradient is off by" in fault
