"""Memory that does not suffice ends a run in one line, which says what would fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nsface.errors import NsfaceError
from nsface.heads import Softmax, base
from nsface.images.batches.loader import Loader
from nsface.images.pixels import load_pixels
from nsface.networks.light_resnet import Unit
from nsface.recipe.schema import Recipe
from nsface.training import data, run
from nsface.training.build import build_head
from nsface.training.guards.memory import is_out_of_memory, largest, try_step
from nsface.training.run import train
from nsface.training.trainer import Trainer

Make = Callable[..., Trainer]
CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    "allocate 4294967296 bytes. Error code 12 (Cannot allocate memory)"
)
CUDA = torch.OutOfMemoryError(
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of …"
)
NUMPY = MemoryError("Unable to allocate 37.2 GiB for an array with shape (490623, 112, 96, 3)")


SMALL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has …")


def failing(function: Callable[..., Any], error: Exception, after: int = 0) -> Callable[..., Any]:
    """`function`, which from its call number `after` on raises `error`, as an allocation that fails does."""
    calls = iter(range(1 << 30))

    def limited(*arguments: Any, **options: Any) -> Any:
        if next(calls) >= after:
            raise error
        return function(*arguments, **options)

    return limited


@pytest.mark.parametrize(
    ("place", "name", "error", "part"),
    [
        (Unit, "forward", CPU, r"\(tried to allocate 4\.00 GiB\): the network"),
        (base, "reduce_other_identities", CUDA, r"\(tried to allocate 2\.50 GiB\): the classifier"),
        (Loader, "_gathered", NUMPY, r"\(tried to allocate 37\.2 GiB\): the images of a batch"),
        (
            torch.autograd,
            "_engine_run_backward",
            SMALL,
            r"\(tried to allocate 20\.00 MiB\): the backward pass",
        ),
    ],
)
def test_a_step_that_does_not_fit_names_its_part_and_the_batch_that_would(
    small: Callable[..., Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
    error: Exception,
    part: str,
) -> None:
    recipe, out = small(epochs=2), tmp_path / "run"
    with monkeypatch.context() as patched:
        step = Trainer._train_step

        def train_step(self: Trainer, *batch: Any) -> Any:
            if self.step == 6:
                patched.setattr(place, name, failing(getattr(place, name), error))
            return step(self, *batch)

        patched.setattr(Trainer, "_train_step", train_step)
        with pytest.raises(NsfaceError, match=part) as raised:
            train(recipe, out)
    message = str(raised.value)
    whole = name in ("reduce_other_identities", "_gathered")  # which parts of a batch would not make smaller
    assert (
        f"a step with batch_size 12 does not fit, 6 images {'' if whole else 'at once '}would; the" in message
    )
    assert f"{out / 'checkpoints' / 'latest.pt'} stays; " in message
    assert message.endswith(
        "stays; begin again in another folder, with --batch-size 6"
        if whole
        else "stays; repeat the command with --resume --changed --set accumulate=2, for the same batches in "
        "2 parts, or begin again with --batch-size 6"
    )
    assert "\n" not in message
    assert torch.load(out / "checkpoints" / "latest.pt", weights_only=True)["step"] == 5
    if name == "forward":
        assert train(small(epochs=2, accumulate=2), out, resume=True, changed=True).exists()


def test_nothing_smaller_than_one_image(
    small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Softmax, "forward", failing(Softmax.forward, CUDA))
    network = {"name": "sphereface-4", "embedding_size": 8}
    with pytest.raises(
        NsfaceError, match=r"batch_size 1 does not fit, and no smaller batch is left; give a s"
    ):
        train(small(network=network, batch_size=1), tmp_path / "run")


def test_pixels_and_weights_that_do_not_fit(
    small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(data, "load_pixels", failing(load_pixels, NUMPY))
        with pytest.raises(
            NsfaceError, match=r"37\.2 GiB\): .* of 60 images .*--set cache=FOLDER, .* streaming=N"
        ):
            train(small(), tmp_path / "pixels")
    monkeypatch.setattr(run, "build_head", failing(build_head, CPU, after=1))
    with pytest.raises(
        NsfaceError, match=r"light-resnet and the class weights of 4 identities .* do not fit"
    ):
        train(small(), tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


def test_other_errors_stay_what_they_are(
    small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    monkeypatch.setattr(Softmax, "forward", failing(Softmax.forward, fault))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train(small(), tmp_path / "run")


@pytest.mark.parametrize(
    "error", [CPU, CUDA, NUMPY, RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling …")]
)
def test_the_errors_of_all_libraries_are_told(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(ValueError(str(error)))


def test_the_batch_that_fits_follows_from_the_peaks_of_two_small_steps(make: Make) -> None:
    trainer, seen = make(), []

    def peak(images: int) -> int:
        try_step(trainer, images)
        seen.append(images)
        return 1000 + 10 * images

    assert largest(peak, 2, 4, 1095) == 9
    assert largest(peak, 2, 4, 1100) == 10
    assert seen == [2, 4, 2, 4]


def test_parts_of_a_batch_that_do_not_fit_become_smaller_ones(
    small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Unit, "forward", failing(Unit.forward, CPU))
    with pytest.raises(
        NsfaceError, match=r"12 does not fit, 3 images at once would; .*=4, .* --batch-size 6$"
    ):
        train(small(accumulate=2, checkpoint_minutes=None), tmp_path / "run")
