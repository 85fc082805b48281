"""Whether PyTorch computes training steps on this processor correctly, and without crashing.

PyTorch uses different kernels for every processor, precision and number of channels, and some have been
wrong: one wrote beyond its buffers, which may end a training with a segmentation fault, or silently corrupt
it. So each network takes steps at its smallest sizes in a process of its own. The gradients of one network of
each family are compared with those of the same step in float64, for which PyTorch has simple kernels.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import repeat
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nsface.networks import build

PRECISIONS = ("fp32", "bf16")
# The largest relative L2 error of the gradient of all weights, against float64. Correct kernels stay within
# three quarters of these for every network compared; the error of wrong ones is about 1, or more.
TOLERANCES = {"fp32": 0.01, "bf16": 0.6}
# The networks whose gradients are compared: of each family those that have every kind of its layers.
COMPARED = {
    "all-cnn-c",
    "iresnet-18",
    "light-resnet",
    "lightened-cnn",
    "maxout",
    "nin",
    "resnet-18",
    "resnet-32",
    "sphereface-4",
    "sphereface-20",
    "vgg-cifar",
    "vgg-face",
    "vgg-mnist",
}
CLASSES = 3
CHANNELS_LAST = torch.channels_last
MOST_AT_ONCE = 4  # networks that take a step at the same time, each in up to 1 GiB


@dataclass(frozen=True)
class Step:
    """A training step: the size of its images in pixels and of its batch, and arguments of the network."""

    height: int
    width: int
    batch: int
    arguments: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        arguments = "".join(f", {name} {value}" for name, value in self.arguments.items())
        return f"batch of {self.batch}, {self.height}×{self.width}{arguments}"


# takes a step of a network in a precision; returns what is wrong with it, or None
TakeStep = Callable[[str, Step, str], str | None]


@dataclass(frozen=True)
class Verdict:
    """The outcome of the steps of `network` in `precision`: `fault` says what went wrong, None: nothing."""

    network: str
    precision: str
    fault: str | None


def steps(network: str) -> Iterator[Step]:
    """The steps that `network` takes: few images, odd sizes, and few channels where it has that argument."""
    yield Step(17, 21, 8)
    yield Step(16, 16, 2)
    if network == "light-resnet":
        for channels in (1, 2, 4, 7):
            yield Step(57, 48, 8, {"channels": channels})
        for channels in (3, 8, 9):  # the strided 1×1 convolution crashed with these, given such large maps
            yield Step(224, 192, 8, {"channels": channels})


def take_step(network: str, step: Step, precision: str) -> str | None:
    """Take `step` in this process; returns what is wrong with its numbers, or None."""
    torch.manual_seed(0)
    sizes = {"height": step.height, "width": step.width}
    built = build(network, **sizes, embedding_size=1, **step.arguments).train()
    images = torch.rand(step.batch, 3, step.height, step.width) * 2 - 1
    classifier = torch.randn(CLASSES, 1)
    reference = None
    # Batch statistics over two images are so ill-conditioned that nothing more than finite numbers can be
    # expected; and large images take long in float64.
    if network in COMPARED and step.batch > 2 and step.height < 64:
        without_dropout(built)
        reference = _gradients(deepcopy(built).double(), images.double(), classifier.double())
    built, images = built.to(memory_format=CHANNELS_LAST), images.contiguous(memory_format=CHANNELS_LAST)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        gradients = _gradients(built, images, classifier)
    if reference is not None:
        differences = [one - other for one, other in zip(gradients, reference, strict=True)]
        error = _norm(differences) / _norm(reference)
        if not error <= TOLERANCES[precision]:
            return f"the gradient is off by {error:.2g} of its length"
    torch.optim.SGD(built.parameters(), lr=0.01, fused=True).step()
    return None if all(p.isfinite().all() for p in built.parameters()) else "weights are not finite"


def without_dropout(network: nn.Module) -> nn.Module:
    """`network`, changed: no two precisions or devices drop the same elements."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def _gradients(network: nn.Module, images: Tensor, classifier: Tensor) -> list[Tensor]:
    """The gradient of each weight in a step with a linear classifier."""
    embeddings = network(images).to(classifier.dtype)
    labels = torch.arange(len(images)) % CLASSES
    torch.autograd.backward(F.cross_entropy(embeddings @ classifier.T, labels))
    return [p.grad for p in network.parameters() if p.grad is not None]


def _norm(tensors: list[Tensor]) -> float:
    return math.hypot(*(float(tensor.norm()) for tensor in tensors))


def examine_all(
    networks: Collection[str], progress: Callable[[int], object] | None = None
) -> dict[str, dict[str, Any]]:
    """Let every one of `networks` take its steps in every precision, some at the same time.

    Args:
        networks: keys of `NETWORKS`.
        progress: called with 1 when a network is done in one precision.

    Returns:
        For each precision whether all are `sound`, the number of `networks`, and the `faults`: dictionaries
        with the `network` and its `fault`.
    """
    found = {}
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_AT_ONCE)) as pool:
        for precision in PRECISIONS:
            faults = []
            for verdict in pool.map(examine, networks, repeat(precision)):
                if verdict.fault is not None:
                    faults.append({"network": verdict.network, "fault": verdict.fault})
                if progress is not None:
                    progress(1)
            found[precision] = {"sound": not faults, "networks": len(networks), "faults": faults}
    return found


def examine(network: str, precision: str, take: TakeStep = take_step) -> Verdict:
    """Let `network` take its `steps` in a process of its own, which may crash.

    The process is forked from a server that has imported PyTorch and not used it, so that it starts within
    milliseconds in a clean state.

    Args:
        network: a key of `NETWORKS`.
        precision: one of `PRECISIONS`, the type that convolutions are computed in.
        take: the function that takes a step; it must be importable by its name.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_take_steps, args=(theirs, network, precision, take), daemon=True)
    process.start()
    theirs.close()
    last_sent = "start"
    try:
        while True:
            done, text = ours.recv()
            if done:
                return Verdict(network, precision, text)
            last_sent = text
    except EOFError:
        process.join()
        code = process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return Verdict(network, precision, f"the process died with {how} ({last_sent})")
    finally:
        ours.close()
        process.kill()
        process.join()


def _take_steps(pipe: Connection, network: str, precision: str, take: TakeStep) -> None:
    """Take all steps here. Send (False, the step) before each, and at the end (True, a fault or None)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # hides "free(): invalid size" and the like
    torch.set_num_threads(1)  # the sizes are small, and other processes may be at work
    for step in steps(network):
        pipe.send((False, str(step)))
        try:
            fault = take(network, step, precision)
        except RuntimeError as error:  # for example, PyTorch has no kernel
            fault = str(error).splitlines()[0]
        if fault is not None:
            pipe.send((True, f"{fault} ({step})"))
            return
    pipe.send((True, None))
