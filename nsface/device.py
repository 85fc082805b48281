"""The device that networks run on, and the precision of their convolutions."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

from nsface.errors import NsfaceError
from nsface.private_torch import cpu_has_bfloat16
from nsface.ranges import one_of

DeviceChoice = Literal["auto", "cpu", "cuda"]
PrecisionChoice = Literal["auto", "fp32", "bf16"]
# some releases say that `allow_tf32` will go; `_allow_tf32` says why it is used
warnings.filterwarnings("ignore", message="Please use the new API settings to control TF32")

TrainingPrecision = Literal["auto", "fp32", "tf32", "bf16"]


def pick_device(choice: DeviceChoice) -> torch.device:
    """The device for `choice`; `auto` is CUDA where there is a usable CUDA device, else the CPU.

    Raises:
        NsfaceError: `choice` is `cuda`, and there is no usable CUDA device; or it is no choice.
    """
    check_choice("device", choice, DeviceChoice)
    if choice == "cuda" and not torch.cuda.is_available():
        raise NsfaceError("--device cuda: no usable CUDA device here; take --device cpu, or auto")
    if choice == "auto":
        choice = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(choice)


def pick_precision(choice: TrainingPrecision, device: torch.device) -> torch.dtype:
    """The type that convolutions run in.

    `auto` is bfloat16 where `device` has instructions for it, else float32; `tf32` is float32, too, whose
    products may be rounded (see `tf32`).

    Raises:
        NsfaceError: `choice` is none.
    """
    check_choice("precision", choice, TrainingPrecision)
    if choice == "auto":
        native = (
            torch.cuda.is_bf16_supported(including_emulation=False)
            if device.type == "cuda"
            else cpu_has_bfloat16()
        )
        choice = "bf16" if native else "fp32"
    return torch.bfloat16 if choice == "bf16" else torch.float32


def may_use_tf32(choice: TrainingPrecision, device: torch.device) -> bool:
    """Whether what stays float32 under `choice` may be computed in TF32 (see `tf32`).

    Not under "fp32", which is float32 throughout; and where convolutions round to bfloat16, which has 8
    significant bits, the 11 of TF32 do no harm.
    """
    on_gpu = device.type == "cuda"
    return on_gpu and (choice == "tf32" or pick_precision(choice, device) == torch.bfloat16)


def check_choice(name: str, value: str, choices: Any) -> None:
    """Raise a NsfaceError where `value` is none of the `choices`, a Literal type."""
    try:
        one_of(name, value, choices)
    except ValueError as error:
        raise NsfaceError(str(error)) from error


@contextmanager
def tf32(allowed: bool, device: torch.device) -> Iterator[None]:
    """Within this context, convolutions and matrix products of float32 may round to TF32, or must not.

    TF32 rounds the factors of a product to 11 significant bits and sums in float32; on GPUs since Ampere this
    is several times as fast. PyTorch allows it for convolutions but not for matrix products.

    Afterwards PyTorch's settings are what they were. Nothing is changed where `device` is no CUDA device.
    """
    if device.type != "cuda":
        yield
        return
    before = _tf32_settings()
    _allow_tf32(allowed, allowed)
    try:
        yield
    finally:
        _restore_tf32(before)


def _tf32_backends() -> tuple[Any, Any, Any]:
    """Those that have the setting `fp32_precision` since PyTorch 2.9."""
    cudnn: Any = torch.backends.cudnn  # of which type stubs do not know the parts
    return torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn


def _tf32_settings() -> list[Any]:
    """The present settings, for `_restore_tf32`."""
    if _has_fp32_precision():
        # `allow_tf32` cannot be read where a program has used both kinds of settings
        return [backend.fp32_precision for backend in _tf32_backends()]
    return [torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32]


def _has_fp32_precision() -> bool:
    return hasattr(torch.backends.cuda.matmul, "fp32_precision")


def _allow_tf32(products: bool, convolutions: bool) -> None:
    # torch.compile reads `allow_tf32`, which fails where `fp32_precision` alone has been set. Setting
    # `allow_tf32` changes both.
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cudnn.allow_tf32 = convolutions


def _restore_tf32(before: list[Any]) -> None:
    if not _has_fp32_precision():
        _allow_tf32(*before)
        return
    _allow_tf32(before[0] == "tf32", before[1] == "tf32")
    for backend, setting in zip(_tf32_backends(), before, strict=True):
        if backend.fp32_precision != setting:
            backend.fp32_precision = setting
