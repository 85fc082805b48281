"""How much memory of the host this process may still take."""

from __future__ import annotations

import re
from pathlib import Path

from nsface.images.decoding_memory import main_memory

_MEMINFO = Path("/proc/meminfo")
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """The bytes that the system can give without swapping, within the limits set on this process's groups.

    Limits are those of Linux's control groups, version 2, by which containers and batch systems bound memory.
    Where the system does not say what is free, as macOS does not, it is half of the memory that is there.
    """
    try:
        text = _MEMINFO.read_text(encoding="ascii")
        free = int(re.findall(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)[0]) * 1024
    except (OSError, LookupError):
        return main_memory() // 2
    return max(0, min([free, *_left_by_groups()]))


def _left_by_groups() -> list[int]:
    """What the limit of each control group that this process is in leaves, innermost first."""
    try:
        own = re.findall(r"^0::/(.*)$", _OWN_GROUPS.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return []
    left = []
    for name in own:
        inner = _GROUPS / name
        for group in (inner, *inner.parents):
            if not group.is_relative_to(_GROUPS):
                break
            try:
                limit = (group / "memory.max").read_text(encoding="ascii").strip()
                used = int((group / "memory.current").read_text(encoding="ascii"))
                stat = (group / "memory.stat").read_text(encoding="ascii")
            except OSError:  # the outermost group has no limit
                continue
            cached = re.findall(r"^inactive_file (\d+)$", stat, re.MULTILINE)  # which the system takes back
            if limit != "max":
                left.append(int(limit) - used + sum(map(int, cached)))
    return left
