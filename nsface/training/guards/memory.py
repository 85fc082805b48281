"""Memory that does not suffice: what did not fit, and what would, in one line."""

from __future__ import annotations

import gc
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import torch

from nsface.errors import NsfaceError, shown
from nsface.recipe.schema import Recipe
from nsface.training.guards.disk import amount
from nsface.training.trainer import Trainer

# how PyTorch and the libraries below it say that there is no memory, where they raise a RuntimeError
_TEXTS = ("can't allocate memory", "out of memory", "ALLOC_FAILED", "Insufficient memory", "unable to mmap")
# what is computed in which module, the innermost first
_PARTS = {
    "nsface.heads": "the classifier",
    "nsface.auxiliary": "an auxiliary loss",
    "nsface.networks": "the network",
    "nsface.images": "the images of a batch",
    "torch.autograd": "the backward pass",
    "torch.optim": "the momentum",
}
_OF_WHOLE_BATCHES = {"the classifier", "an auxiliary loss", "the images of a batch"}  # whatever the parts
_SPARE = 0.95  # of the memory: the rest is lost in gaps between tensors


@contextmanager
def enough_memory(advice: Callable[[BaseException], str]) -> Iterator[None]:
    """Turn the error of memory that does not suffice into an NsfaceError, which ends with `advice`.

    Raises:
        NsfaceError: memory did not suffice.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise NsfaceError(f"out of memory{_amount(error)}: {advice(error)}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that there is no memory: of the host or of a device, by whichever library."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS)


def advice_on_pixels(images: int, recipe: Recipe) -> str:
    """What to do where the decoded pixels of the training images do not fit."""
    size = images * recipe.input.height * recipe.input.width * 3
    return (
        f"the decoded pixels of {images:,} images take {amount(size)}; give --set cache=FOLDER, which keeps "
        "them on disk, or --set streaming=N, by which N processes decode during the training"
    )


def advice_on_weights(recipe: Recipe, identities: int) -> str:
    """What to do where a network and a classifier do not fit even before the first step."""
    size = identities * recipe.network.embedding_size * 4
    return (
        f"{recipe.network.name} and the class weights of {identities:,} identities ({amount(size)}, with "
        f"gradient and momentum {amount(3 * size)}) do not fit; give a smaller network.embedding_size or "
        "--network, or divide the classifier among several devices (docs/scaling.md)"
    )


def advice_on_batch(trainer: Trainer, checkpoint: Path, error: BaseException) -> str:
    """What to do where a step does not fit: the batch, or the number of parts of it, that would.

    Args:
        trainer: as the error has left it; it cannot go on.
        checkpoint: of the run, if it is there.
        error: what was raised.
    """
    recipe, ranks, part = trainer.recipe, trainer.ranks.count, _part(error.__traceback__)
    traceback.clear_frames(error.__traceback__)  # which hold the tensors of the step
    own, together = recipe.batch_size // ranks, recipe.batch_size // ranks // recipe.accumulate
    fitting = min(measured(trainer) or together // 2, together - 1)
    stays = f"; the state of {shown(checkpoint)} stays" if checkpoint.exists() else ""
    what = f"{part} of a step with batch_size {recipe.batch_size} does not fit"
    if fitting < 1:
        return f"{what}, and no smaller batch is left; give a smaller network, or fewer identities{stays}"
    parts = next(k for k in range(2, own + 1) if own % k == 0 and own // k <= fitting)
    smaller = own // parts * recipe.accumulate * ranks
    other = f"--batch-size {smaller}" if recipe.sampler is None else "a smaller sampler"
    if part in _OF_WHOLE_BATCHES:
        return f"{what}, {smaller} images would{stays}; begin again in another folder, with {other}"
    return (
        f"{what}, {own // parts * ranks} images at once would{stays}; repeat the command with --resume "
        f"--changed --set accumulate={parts}, for the same batches in {parts} parts, or begin again with "
        f"{other}"
    )


def measured(trainer: Trainer) -> int | None:
    """The number of images at once that fit on the CUDA device of `trainer`; None where nothing tells it.

    Two small steps are tried, which changes the weights.
    """
    own, parts, device = trainer.recipe.batch_size, trainer.recipe.accumulate, trainer.device
    if device.type != "cuda" or trainer.ranks.count > 1 or own < 8 * parts:
        return None
    trainer.optimizer.zero_grad()
    gc.collect()
    torch.cuda.empty_cache()
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)

    def peak(images: int) -> int:
        torch.cuda.reset_peak_memory_stats(device)
        try_step(trainer, images)
        return torch.cuda.max_memory_allocated(device)

    try:
        return largest(peak, own // 8, own // 4, int(_SPARE * free)) // parts
    except RuntimeError:  # not even these fit
        return max(own // 16 // parts, 1)


def largest(peak: Callable[[int], int], small: int, larger: int, memory: int) -> int:
    """The most images whose step fits into `memory` bytes, by the straight line through two steps' `peak`."""
    low, high = peak(small), peak(larger)
    each = max(high - low, 1) / (larger - small)
    return int(small + (memory - low) / each)


def try_step(trainer: Trainer, images: int) -> None:
    """Take a step with `images` grey images."""
    size = trainer.recipe.input
    pixels = torch.zeros(images, 3, size.height, size.width, device=trainer.device)
    labels = torch.arange(images, device=trainer.device) % trainer.head.identities
    trainer.take_step(pixels.to(memory_format=torch.channels_last), labels)


def _part(trace: TracebackType | None) -> str:
    """What was being computed."""
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(trace)]
    for module in reversed(modules):
        for name, part in _PARTS.items():
            if module.startswith(name):
                return part
    return "a part"


def _amount(error: BaseException) -> str:
    """How much was asked for, as far as the error says it."""
    text = str(error)
    if found := re.search(r"[Tt]ried to allocate ([\d.]+ [KMGT]?i?B)|Unable to allocate ([\d.]+ \wiB)", text):
        return f" (tried to allocate {found[1] or found[2]})"
    if found := re.search(r"tried to allocate (\d+) bytes", text):
        return f" (tried to allocate {amount(int(found[1]))})"
    return ""
