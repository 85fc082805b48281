"""A fuzzer of all parsers, by hand:

    python -m tests.fuzz                                     2,000 runs of each parser
    python -m tests.fuzz --runs 20000 --processes 2
    python -m tests.fuzz npz npz-parts --runs 100000 --seed 7
    python -m tests.fuzz npz --seed 7 --first 1234 --runs 1  one run again

It is run from the top of the repository. Each parser is given sound inputs with damage: bits turned, bytes
cut, repeated and moved, numbers at their extremes, words of the formats. A run may return or raise an
NsfaceError. What else happens is printed, once a kind, and its input saved: another exception, a crash of
the process, more than 5 s, more than 300 MiB. The same seed gives the same inputs.
The status is 1 where anything was found.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.fuzz.harness import damaged, fuzz, make_inputs, write
from tests.fuzz.parsers import PARSERS

_LIBRARIES = (
    "torch",
    "cv2",
    "scipy.io",
    "pyarrow.parquet",
    "lmdb",
    "nsface.training.checkpoint",
    "nsface.model",
    "nsface.recipe",
    "nsface.images.store.packing",
    "nsface.images.inspection.result",
    "nsface.protocols.blufr",
    "nsface.report.runs",
)


def main() -> int:
    options = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("parsers", nargs="*", metavar="PARSER", help=f"of {', '.join(PARSERS)}; all without")
    options.add_argument("--runs", type=int, default=2000, help="of each parser")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--first", type=int, default=0, help="number of the first run")
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--save", type=Path, default=Path("build/fuzz"), help="folder for inputs")
    given = options.parse_args()
    if unknown := set(given.parsers) - PARSERS.keys():
        options.error(f"no parser {', '.join(sorted(unknown))}; there are {', '.join(PARSERS)}")
    names = given.parsers or list(PARSERS)
    for library in _LIBRARIES:  # before processes are forked, so that none loads them again
        with suppress(ImportError):
            importlib.import_module(library)
    start, found = time.monotonic(), Counter[tuple[str, str, str]]()
    inputs = make_inputs(names)
    for finding in fuzz(names, given.runs, given.seed, given.processes, given.first):
        found[finding.group] += 1
        if found[finding.group] == 1:
            place = given.save / f"{finding.parser}-{given.seed}-{finding.run}"
            write(damaged(finding.parser, inputs[finding.parser], given.seed, finding.run), _folder(place))
            print(
                f"{finding.parser} run {finding.run}: {finding.kind}: {finding.what}\n"
                f"  {finding.where}\n  {place}",
                flush=True,
            )
    seconds, runs = time.monotonic() - start, given.runs * len(names)
    print(f"{runs:,} runs in {seconds:.0f} s: {sum(found.values())} findings of {len(found)} kinds")
    for group, count in sorted(found.items()):
        print(f"  {count:6} {' '.join(group)}")
    return 1 if found else 0


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
