"""What nsface has to run with here: interpreter, processor, devices, packages, extras."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

# packages that bring the same modules
EQUIVALENT = {
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
}


def machine() -> dict[str, Any]:
    """Versions of nsface and of the interpreter, platform and processor."""
    import torch

    return {
        "nsface": version("nsface"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
    }


def source_commit() -> str | None:
    """The git commit of the checkout that nsface runs from, with `-dirty` where files differ from it.

    None for an installed wheel, and where git cannot tell.
    """
    checkout = Path(__file__).resolve().parents[1]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def devices() -> list[dict[str, Any]]:
    """What networks can run on, the one that `--device auto` takes first."""
    import torch

    from nsface.device import pick_device, pick_precision
    from nsface.images.decoding_memory import main_memory

    found = []
    for name in (["cuda"] if torch.cuda.is_available() else []) + ["cpu"]:
        device = pick_device("cuda" if name == "cuda" else "cpu")
        auto = str(pick_precision("auto", device)).removeprefix("torch.")
        for index in range(torch.cuda.device_count() if name == "cuda" else 1):
            gpu = torch.cuda.get_device_properties(index) if name == "cuda" else None
            found.append(
                {
                    "device": f"cuda:{index}" if gpu else "cpu",
                    "name": gpu.name if gpu else platform.processor() or platform.machine(),
                    "memory": gpu.total_memory if gpu else main_memory(),
                    "bfloat16": auto == "bfloat16",
                    "auto_precision": auto,
                }
            )
    return found


def packages() -> dict[str, str | None]:
    """Installed version of every package that nsface needs; None where it is missing."""
    return {name: _version(name) for name, extra in _requirements() if extra is None}


def extras() -> dict[str, list[str]]:
    """For each extra of nsface, its packages that are missing."""
    found: dict[str, list[str]] = {}
    for name, extra in _requirements():
        if extra is not None:
            missing = found.setdefault(extra, [])
            if _version(name) is None:
                missing.append(name)
    return found


def _requirements() -> list[tuple[str, str | None]]:
    """(package, extra it belongs to) of everything in nsface's own metadata."""
    found = []
    for line in requires("nsface") or []:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if name:
            found.append((name[0], extra[1] if extra else None))
    return found


def _version(package: str) -> str | None:
    """The installed version of `package`, or of another that brings the same modules, which is named."""
    for name in (package, *EQUIVALENT.get(package, ())):
        try:
            return version(name) + (f" ({name})" if name != package else "")
        except PackageNotFoundError:
            pass
    return None
