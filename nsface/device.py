"""Which device and which arithmetic."""

from __future__ import annotations

from typing import Literal

import torch

from nsface.errors import NsfaceError

DeviceChoice = Literal["auto", "cpu", "cuda"]
PrecisionChoice = Literal["auto", "fp32", "bf16"]


def pick_device(choice: DeviceChoice) -> torch.device:
    """The device for `choice`; `auto` is CUDA where there is a usable one.

    Raises:
        NsfaceError: CUDA asked for and not there.
    """
    if choice == "cuda" and not torch.cuda.is_available():
        raise NsfaceError("--device cuda: no usable CUDA device here; take --device cpu, or auto")
    if choice == "auto":
        choice = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(choice)


def pick_precision(choice: PrecisionChoice, device: torch.device) -> torch.dtype:
    """The type convolutions run in. `auto` is bfloat16 where the hardware has it, else float32.

    On a CPU without AVX-512 bf16 or AMX instructions bfloat16 is emulated and far slower than float32.
    """
    if choice == "auto":
        native = (
            torch.cuda.is_bf16_supported(including_emulation=False)
            if device.type == "cuda"
            else _cpu_has_bf16()
        )
        choice = "bf16" if native else "fp32"
    return torch.bfloat16 if choice == "bf16" else torch.float32


def _cpu_has_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
