"""`nsface doctor`."""

from __future__ import annotations

from typing import Any

import click

from nsface.cli.output import emit, json_option
from nsface.errors import counted


@click.command(name="doctor")
@json_option
def command(json_to: str | None) -> None:
    """Show versions and devices, what is usable here and what is missing.

    Every network takes a training step on the CPU, in float32 and in bfloat16, each in a separate process,
    because PyTorch has crashed on some processors with some numbers of channels. This takes less than a
    minute on two cores. The exit status is 1 if a step crashes or gives wrong numbers.

    \b
    Examples:
      nsface doctor
      nsface doctor --json - | jq .training
    """
    from tqdm import tqdm

    from nsface.installation import devices, extras, machine, packages
    from nsface.networks import NETWORKS
    from nsface.networks.soundness import PRECISIONS, examine_all

    result: dict[str, Any] = machine() | {"devices": devices(), "packages": packages(), "extras": extras()}
    total = len(PRECISIONS) * len(NETWORKS)
    with tqdm(total=total, desc="training steps", unit=" networks", disable=None) as bar:
        result["training"] = examine_all(NETWORKS, bar.update)
    emit(result, _table(result), json_to)
    if not all(found["sound"] for found in result["training"].values()):
        click.get_current_context().exit(1)


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
