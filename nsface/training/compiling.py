"""The compilation of a network for its training, by `torch.compile`, and what it is tried on first.

The network is compiled, forward and backward; on a GPU its kernels are recorded in CUDA graphs, which start
them all at once. Normalisation of the pixels, head, loss and optimiser are not: they are a small part of the
time of a step, the head has random numbers and blocks of its own, and the optimiser is one fused kernel.

On several ranks each compiles the network, inside the engine that sums gradients while the backward pass goes
on, and without CUDA graphs, whose memory that engine cannot use. Batch normalisation over the ranks stays
uncompiled, so that a graph ends before each. In the trial every rank normalises over its own images: nothing
is exchanged, and a rank that cannot compile keeps none of the others waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nsface.errors import RecipeError
from nsface.private_torch import compile_whole_graphs
from nsface.ranks import ALONE, Ranks
from nsface.ranks.batch_norm import alone
from nsface.recipe.schema import Recipe
from nsface.recipe.sections import CompileChoice

Embed = Callable[[Tensor], Tensor]

# `auto` compiles on a GPU, where a run has so many steps that the minutes of the compilation do not count. On
# CPUs it does not.
LONG_RUN = 10_000  # steps
# The largest relative error, in the L2 norm, of compiled embeddings and gradients against those that are not
# compiled. Correct kernels are far below; the errors of wrong ones are about 1.
TOLERANCES = {torch.float32: 0.02, torch.bfloat16: 0.5}
_TRIALS = 3  # CUDA graphs record the second pass, and replay the third


@dataclass(frozen=True)
class Compilation:
    """How the network of a training is called.

    Attributes:
        embed: normalised images to embeddings, compiled; None: the network is not compiled.
        why_not: why it is not, although it was to be; empty otherwise.
        seconds: that the compilation and its trial took.
    """

    embed: Embed | None = None
    why_not: str = ""
    seconds: float = 0.0

    def describe(self) -> dict[str, Any]:
        """What environment.json records."""
        if self.embed is not None:
            return {"compiled": True, "compile_seconds": round(self.seconds, 1)}
        return {"compiled": False} | ({"not_compiled_because": self.why_not} if self.why_not else {})


def is_wanted(choice: CompileChoice, device: torch.device, steps: int) -> bool:
    """Whether the network of a run of so many steps is to be compiled, if it can be."""
    return choice == "on" or (choice == "auto" and device.type == "cuda" and steps >= LONG_RUN)


def random_images(recipe: Recipe, count: int, device: torch.device) -> Tensor:
    """So many normalised images of random pixels, always the same, on `device`."""
    shape = (count, 3, recipe.input.height, recipe.input.width)
    pixels = 255 * torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return recipe.input.normalise(pixels.to(device).contiguous(memory_format=torch.channels_last))


def compile_network(
    network: nn.Module,
    choice: CompileChoice,
    images: Tensor,
    dtype: torch.dtype,
    parts: int,
    ranks: Ranks = ALONE,
) -> Compilation:
    """Compile `network`, and compare it with what it computes uncompiled.

    Nothing but its gradients, which are removed, is changed. All ranks must call this together: the network
    is compiled on all of them or on none.

    Args:
        network: on its device, in the mode in which it is trained.
        choice: "on", or "auto", which goes on without a compilation where that fails.
        images: normalised, of the shape of those that are trained on at once on this rank.
        dtype: the type of its convolutions.
        parts: into how many a batch is divided (`nsface.training.parts`).
        ranks: those that train the network.

    Raises:
        RecipeError: it cannot be compiled, on whichever rank, and `choice` is "on".
        torch.OutOfMemoryError: the memory does not suffice for a step.
    """
    began = time.perf_counter()
    options: dict[str, Any] = {"fallback_random": True}  # random numbers are those of the uncompiled network
    if images.device.type == "cuda":
        # a second backward pass would overwrite the gradients of the first, which are memory of the graph
        options["triton.cudagraphs"] = parts == 1 and ranks.count == 1
    reason, compiled = "", None
    try:
        if ranks.count > 1:
            compile_whole_graphs()
        with alone():
            compiled = torch.compile(network, dynamic=False, options=options)
            if options.get("triton.cudagraphs"):
                compiled = partial(_in_graphs, compiled)
            _compare(network, compiled, images, dtype, parts)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # compilers, and what they call, raise nearly anything
        reason = _first_line(error)
    why_not = next((reason for reason in ranks.gathered(reason) if reason), "")
    if why_not and choice == "on":
        raise RecipeError(
            f"compile: the network cannot be compiled here: {why_not}; give compile: auto, or off"
        )
    return Compilation(None if why_not else compiled, why_not, time.perf_counter() - began)


def _in_graphs(compiled: Embed, images: Tensor) -> Tensor:
    """Call `compiled` once in a step: the memory of the graphs of the step before may be used again."""
    torch.compiler.cudagraph_mark_step_begin()
    return compiled(images)


class _Differs(Exception):
    """What is compiled does not compute what it should."""


def _compare(network: nn.Module, compiled: Embed, images: Tensor, dtype: torch.dtype, parts: int) -> None:
    """Raise `_Differs` unless `compiled` has the embeddings and gradients of `network`, up to rounding."""
    buffers = [buffer.clone() for buffer in network.buffers()]
    expected = _passed(network, network, images, dtype)
    for _ in range(_TRIALS):
        if parts > 1:
            with torch.no_grad():
                _embeddings(compiled, images, dtype)
        found = _passed(network, compiled, images, dtype)
    for buffer, before in zip(network.buffers(), buffers, strict=True):
        buffer.copy_(before)
    for what, one, other in zip(("embeddings", "gradients"), found, expected, strict=True):
        error = float((one - other).norm() / other.norm()) if other.norm() else 0.0
        if not error <= TOLERANCES[dtype]:
            raise _Differs(
                f"its {what} differ from those of the uncompiled network, relatively by {error:.2g}"
            )


def _passed(network: nn.Module, embed: Embed, images: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Embeddings, and the gradient of all weights, of a pass with random numbers that are always the same."""
    torch.manual_seed(0)
    embeddings = _embeddings(embed, images, dtype)
    if embeddings.requires_grad:
        embeddings.float().square().mean().backward()
    gradients = [p.grad.flatten().float() for p in network.parameters() if p.grad is not None]
    result = embeddings.detach().float().clone(), torch.cat([*gradients, images.new_zeros(0)])
    for parameter in network.parameters():
        parameter.grad = None
    return result


def _embeddings(embed: Embed, images: Tensor, dtype: torch.dtype) -> Tensor:
    with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        return embed(images)


def _first_line(error: Exception) -> str:
    """A line about an error, of a length that can be read."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"
