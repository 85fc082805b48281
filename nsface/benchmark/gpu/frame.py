"""Stages of checks, each within a time box, whose record is always on the disk."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import FrameType

import torch

from nsface.benchmark.gpu.data import Data
from nsface.benchmark.gpu.place import SMALL, Found, Place, Scale
from nsface.benchmark.grid import hardware
from nsface.files import write_text
from nsface.training.loop import Interrupted

ENDED = ("passed", "failed")  # statuses of a check that is not done again to complete a stage
LEAST_SECONDS = 5.0  # below which no further stage is begun


class OutOfTime(BaseException):
    """A check has had its time. No exception that a check may catch for itself."""


@dataclass(frozen=True)
class Check:
    """A part of a stage, called with its place and the dictionary that it fills.

    Attributes:
        share: of the time of the stage.
        needs: the part of the data without which it cannot be run; '' if none.
    """

    run: Callable[[Place, Found], None]
    share: float
    needs: str = ""

    @property
    def name(self) -> str:
        return self.run.__name__

    def possible(self, data: Data | None) -> bool:
        """Whether there is what it needs."""
        return not self.needs or (data is not None and self.needs in data.parts)


@dataclass(frozen=True)
class Stage:
    """Checks in the order in which they are worth having.

    Attributes:
        share: of the time of all stages.
        least: seconds without which it is not worth beginning, unless it is the first that is missing.
    """

    checks: tuple[Check, ...]
    share: float
    least: float = LEAST_SECONDS


def each(
    found: Found, jobs: Mapping[str, Callable[[], Found]], save: Callable[[], object] = lambda: None
) -> None:
    """Put into `found` what each job finds, or its error, and `save` it; the others run in either case.

    What an earlier run has found without an error is kept, and its job is not done again.
    """
    for name, job in jobs.items():
        if name in found and not faults(found[name]):
            continue
        try:
            found[name] = job()
        except Exception as error:  # whatever it is, it belongs into the record
            found[name] = {"error": described(error)}
        save()


def described(error: BaseException) -> str:
    """An error and where it was raised, in one line."""
    where = traceback.extract_tb(error.__traceback__)[-1:]
    at = f" ({Path(where[0].filename).name}:{where[0].lineno})" if where else ""
    return f"{type(error).__name__}: {str(error).strip()[:500]}{at}"


def faults(found: Found, at: str = "") -> list[str]:
    """Each error in `found`, with where it is."""
    here = [f"{at}: {found['error']}"] if isinstance(found.get("error"), str) else []
    nested = [
        (f"{at}, {key}" if at else str(key), value) for key, value in found.items() if isinstance(value, dict)
    ]
    return here + [fault for place, value in nested for fault in faults(value, place)]


def run_missing(
    stages: Mapping[str, Stage], out: Path, device: torch.device, seconds: float, data: Data | None = None
) -> list[Found]:
    """Run every stage of which `out` has no complete record, in their order, within `seconds` together.

    Each has its share of the time, and at least what it needs to be worth beginning. A stage for which that
    is not left is for another time, and so is a check that needs `data` which are not there.

    Returns:
        The records of the stages that were run. What was not begun for want of time is in none of them.
    """
    end = time.monotonic() + seconds
    missing = [name for name in stages if unfinished(stages[name], read(out / f"{name}.json"), data)]
    records = []
    for number, name in enumerate(missing):
        left, stage = end - time.monotonic(), stages[name]
        if left < (stage.least if number else LEAST_SECONDS):
            continue
        share = stage.share / sum(stages[later].share for later in missing[number:])
        given = min(left, max(share * left, stage.least))
        records.append(run_stage(name, stage, out, device, given, True, data))
    return records


def unfinished(stage: Stage, record: Found | None, data: Data | None) -> list[Check]:
    """The checks of `stage` that are possible and, by `record`, have not ended by themselves."""
    checks = {} if record is None else record["checks"]
    return [
        check
        for check in stage.checks
        if check.possible(data) and checks.get(check.name, {}).get("status") not in ENDED
    ]


def run_stage(
    name: str,
    stage: Stage,
    out: Path,
    device: torch.device,
    seconds: float,
    go_on: bool = False,
    data: Data | None = None,
) -> Found:
    """Run the checks of `stage`, within `seconds` together; what is found so far is always in `out`.

    With `go_on`, a record that is there is completed, if it is of the same device and versions. Otherwise it
    stays, under another name.
    """
    path, environment = out / f"{name}.json", hardware("cuda" if device.type == "cuda" else "cpu")
    end = time.monotonic() + seconds
    before, former = read(path), {}
    if before is not None and go_on and same_place(before["environment"], environment):
        former = before["checks"]
    elif before is not None:
        set_aside(path)
    record: Found = {"stage": name, "environment": environment, "minutes": seconds / 60, "passed": 0}
    record["checks"] = {
        check.name: former.get(check.name, {"status": "not run", "found": {}}) for check in stage.checks
    }
    todo = unfinished(stage, record, data)
    for number, check in enumerate(todo):
        entry = record["checks"][check.name]
        entry.pop("error", None)
        # what earlier checks have left over is shared by those to come
        share = check.share / sum(later.share for later in todo[number:])
        entry |= {"status": "running", "box_seconds": share * (end - time.monotonic())}
        write(path, record)
        print(f"{name}: {check.name} …", file=sys.stderr, flush=True)
        run_check(check, device, entry, out, data, lambda: write(path, record))
        record["passed"] = sum(entry["status"] == "passed" for entry in record["checks"].values())
        write(path, record)
    return record


def run_check(
    check: Check,
    device: torch.device,
    entry: Found,
    out: Path,
    data: Data | None,
    save: Callable[[], object],
) -> None:
    """Run `check` within its time, and put into `entry` how it ended.

    Raises:
        Interrupted: a signal came; the check is not at its end.
    """

    def over(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    start, usual = time.monotonic(), signal.signal(signal.SIGALRM, over)
    try:
        with tempfile.TemporaryDirectory() as folder:
            scale = SMALL if device.type == "cpu" else Scale()
            place = Place(device, scale, Path(folder), out, data, entry["box_seconds"], save)
            try:
                signal.setitimer(signal.ITIMER_REAL, max(entry["box_seconds"], 0.001))
                check.run(place, entry["found"])
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        entry["status"] = "failed" if faults(entry["found"]) else "passed"
    except OutOfTime:
        entry |= {"status": "out of time", "error": f"not done within {entry['box_seconds']:.0f} s"}
    except Interrupted:
        raise
    except Exception as error:  # whatever it is, it belongs into the record
        entry |= {"status": "failed", "error": described(error)}
    finally:
        signal.signal(signal.SIGALRM, usual)
    entry["seconds"] = time.monotonic() - start


def same_place(one: Found, other: Found) -> bool:
    """Whether two environments are those of one machine with the same versions."""
    return {**one, "started": ""} == {**other, "started": ""}


def set_aside(path: Path) -> None:
    """Give a record that is not gone on with another name, `STAGE-1.json` or the next that is free."""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(1))
    other = next(name for name in names if not name.exists())
    path.rename(other)
    print(f"{path}: not gone on with, kept as {other.name}", file=sys.stderr)


def read(path: Path) -> Found | None:
    """The record in `path`; None where there is none."""
    if not path.exists():
        return None
    record: Found = json.loads(path.read_text())
    return record


def write(path: Path, record: Found) -> None:
    """Write a record, whole or not at all."""
    finite = json.loads(json.dumps(record), parse_constant=str)  # JSON has no NaN and no infinity
    write_text(path, json.dumps(finite, indent=1) + "\n")


def summary(record: Found) -> str:
    """How the checks of a stage ended, and each error."""
    lines = [f"stage {record['stage']}"]
    for name, entry in record["checks"].items():
        lines.append(f"{entry['status']:11} {name} ({entry.get('seconds', 0):.1f} s)")
        lines += [f"            {fault}" for fault in faults(entry["found"])]
        lines += [f"            {entry['error']}"] if "error" in entry else []
    return "\n".join([*lines, f"{record['passed']} of {len(record['checks'])} checks passed"])
