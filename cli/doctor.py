"""`nsface doctor`."""

from __future__ import annotations

import os
import platform
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import repeat
from typing import Any

import click

from nsface.cli.results import emit, json_option
from nsface.errors import counted

MOST_AT_ONCE = 4  # networks that take a step at the same time, each in up to 1 GiB
# packages that bring the same modules
EQUIVALENT = {
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
}


@click.command(name="doctor")
@json_option
def command(json_to: str | None) -> None:
    """Show versions and devices, what is usable here and what is missing.

    Every network takes a training step on the CPU, in float32 and in bfloat16, each in a separate process,
    because PyTorch has crashed on some processors with some numbers of channels. This takes half a minute on
    two cores. The exit status is 1 if a step crashes or gives wrong numbers.

    \b
    Examples:
      nsface doctor
      nsface doctor --json - | jq .training
    """
    result: dict[str, Any] = {
        "nsface": version("nsface"),
        **machine(),
        "devices": devices(),
        "packages": packages(),
    }
    result["extras"] = extras()
    result["training"] = training()
    emit(result, _table(result), json_to)
    if not all(found["sound"] for found in result["training"].values()):
        click.get_current_context().exit(1)


def machine() -> dict[str, Any]:
    """Interpreter, platform and processor."""
    import torch

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
    }


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
    for name in (package, *EQUIVALENT.get(package, ())):
        try:
            return version(name) + (f" ({name})" if name != package else "")
        except PackageNotFoundError:
            pass
    return None


def training() -> dict[str, dict[str, Any]]:
    """For each precision, whether every network takes a training step on this processor without a fault."""
    from tqdm import tqdm

    from nsface.networks import NETWORKS
    from nsface.networks.soundness import PRECISIONS, examine

    found = {}
    total = len(PRECISIONS) * len(NETWORKS)
    with (
        tqdm(total=total, desc="training steps", unit=" networks", disable=None) as bar,
        ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_AT_ONCE)) as pool,
    ):
        for precision in PRECISIONS:
            faults = []
            for verdict in pool.map(examine, NETWORKS, repeat(precision)):
                if verdict.fault is not None:
                    faults.append({"network": verdict.network, "fault": verdict.fault})
                bar.update()
            found[precision] = {"sound": not faults, "networks": len(NETWORKS), "faults": faults}
    return found


def _table(result: dict[str, Any]) -> str:
    lines = [
        f"nsface {result['nsface']}, Python {result['python']}, {result['platform']}",
        f"{counted(result['cores'], 'core')}, {counted(result['threads'], 'thread')}, "
        f"{result['vector_instructions']}",
        "",
        "devices",
    ]
    for device in result["devices"]:
        memory = f"{device['memory'] / 2**30:.1f} GiB"
        how = "bfloat16 in hardware" if device["bfloat16"] else "no bfloat16 in hardware"
        auto = f"--precision auto is {device['auto_precision']}"
        lines.append(f"  {device['device']}: {device['name']}, {memory}; {how}, {auto}")
    if len(result["devices"]) == 1:
        lines.append("  no usable CUDA device: training large networks will take long")
    lines += ["", "a training step of every network on this processor", *_steps(result)]
    lines += ["", "packages"]
    lines += [f"  {name} {found or 'MISSING'}" for name, found in result["packages"].items()]
    lines += ["", "extras"]
    for name, missing in result["extras"].items():
        lines.append(f"  {name}: {_remedy(name, missing) if missing else 'installed'}")
    return "\n".join(lines)


def _steps(result: dict[str, Any]) -> list[str]:
    lines = []
    for precision, found in result["training"].items():
        verdict = "sound" if found["sound"] else f"NOT SOUND, {len(found['faults'])} with a fault"
        lines.append(f"  {precision}: {verdict} ({found['networks']} networks)")
        lines += [f"    {fault['network']}: {fault['fault']}" for fault in found["faults"]]
    sound = [precision for precision, found in result["training"].items() if found["sound"]]
    if len(sound) < len(result["training"]):
        remedy = "install another version of PyTorch"
        if sound:
            remedy = f"train on this CPU with --precision {sound[0]}, or {remedy}"
        lines.append(f"  {remedy}")
    return lines


def _remedy(extra: str, missing: list[str]) -> str:
    return f"missing {', '.join(missing)}; pip install 'nsface[{extra}]'"
