"""The device that networks run on, and the precision of their convolutions."""

from __future__ import annotations

from typing import Any, Literal

import torch

from nsface.errors import NsfaceError
from nsface.private_torch import cpu_has_bfloat16
from nsface.ranges import one_of

DeviceChoice = Literal["auto", "cpu", "cuda"]
PrecisionChoice = Literal["auto", "fp32", "bf16"]


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


def pick_precision(choice: PrecisionChoice, device: torch.device) -> torch.dtype:
    """The type that convolutions run in.

    `auto` is bfloat16 where `device` has instructions for it, else float32.

    Raises:
        NsfaceError: `choice` is none.
    """
    check_choice("precision", choice, PrecisionChoice)
    if choice == "auto":
        native = (
            torch.cuda.is_bf16_supported(including_emulation=False)
            if device.type == "cuda"
            else cpu_has_bfloat16()
        )
        choice = "bf16" if native else "fp32"
    return torch.bfloat16 if choice == "bf16" else torch.float32


def check_choice(name: str, value: str, choices: Any) -> None:
    """Raise a NsfaceError where `value` is none of the `choices`, a Literal type."""
    try:
        one_of(name, value, choices)
    except ValueError as error:
        raise NsfaceError(str(error)) from error
