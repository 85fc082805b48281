"""Run the stages on this machine's GPU; commit what they write.

    python benchmarks/gpu.py --minutes 8 --out docs/results/gpu/NAME [--data FILE]
    python benchmarks/gpu.py --stage check --out docs/results/gpu/NAME [--minutes 4] [--data FILE]

The first form does, in their order, all stages that have no complete record in DIR yet, as far as the time
allows; repeated, it goes on where it was. The second does one stage: the rest of it where it was not
completed, otherwise from its beginning. A record that it does not go on with, because it is complete or of
another commit or machine, is kept as `STAGE-1.json`. FILE has real images; `benchmarks/gpu_data.py` writes
it, and what needs it is left for another time where it is not given.

nsface must be importable: installed, or, with the dependencies that the machine has or is given, as a wheel,
which has everything that is needed:

    pip wheel --no-deps --wheel-dir wheels .                # where nsface is built
    pip install --no-index --no-deps --target site wheels/nsface-*.whl
    PYTHONPATH=site python -m nsface.benchmark.gpu --minutes 8 --out DIR

A stage is a list of checks, each with a share of the time. `DIR/STAGE.json` is written after each, whole or
not at all: a check that fails, or whose time is over, has its error there, and the next one runs. The last
lines printed say what passed; the exit status is 1 unless everything that was done passed. `--device cpu`
does the same on a small scale, without what only CUDA has, to try the script itself.

Stage `check`, less than a minute on an H200: forward and backward pass of every network, head and auxiliary
loss against float64 on the CPU, in float32, TF32 and bfloat16; no step waits for the device; short trainings
from every form of the data, whose weights must have the same bits; a resumed run has the same bits; memory of
the classifier in blocks at a million identities. The numbers beside the tolerances are relative L2 errors.

Stage `compile`: two networks, compiled and not, against float64; no step of a compiled training waits for
the device; a compiled run that is stopped and resumed has the same bits. Most of its three minutes are
compilations.

Stage `speed`: trainings of CASIA-WebFace's size, SphereFace-20 and iResNet-50 in bfloat16 and float32 at
three batch sizes, compiled and not, as `nsface bench train` measures them; their steps beside those of a loop
that follows arcface_torch; the losses of their first 200 steps in both precisions and compiled, which must be
within 1 %.

Stage `classifier`: steps of a head alone with ten thousand to four million identities, plain, in blocks and
sampled; with a million in blocks, memory must stay within weights, gradient, momentum and 2 GiB.

Stage `cifar`, needs FILE with CIFAR-10: the paper's tables of CIFAR-10+ and CIFAR-10, by `nsface reproduce`
in full size, eight arms, up to five seeds, a seed of the one and then of the other.

Stage `faces`, needs FILE with faces: the table of `nsface reproduce faces`, recipe lfw-small, scored on LFW's
pairs, ten seeds, two by two.

The trainings of both are in the folder --runs; a training that was cut goes on there. The tables are in the
record, with what each training has logged and tested so far, and as pages in `DIR/TABLE.html`. Both are
written twice a minute, and whenever a training ends.

Stage `casia-fast`: minutes of training to an accuracy on identities held out, with the recipe of that name,
on real faces (with FILE) and on as many rendered identities, of the 10,572 of CASIA-WebFace, as the time is
enough for.

Stage `extract`, less than a minute: embeddings from files, sent and computed at the same time, against those
of the same pixels in memory, and images a second of both.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch

from nsface.benchmark.gpu.data import unpacked
from nsface.benchmark.gpu.frame import read, run_missing, run_stage, summary, unfinished
from nsface.benchmark.gpu.stages import STAGES
from nsface.errors import NsfaceError
from nsface.files import make_folder
from nsface.training.loop import Interrupted


def main(arguments: list[str] | None = None) -> int:
    """Run what the `arguments` say, by default those of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=STAGES, help="only this one")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where STAGE.json is written")
    parser.add_argument("--minutes", type=float, help="for everything; 8, or 4 with --stage, by default")
    parser.add_argument("--data", type=Path, metavar="FILE", help="real images, by benchmarks/gpu_data.py")
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        help="for FILE's content and its trainings; runs/gpu/NAME of --out",
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("no usable CUDA device here; --device cpu tries the script itself")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic algorithms need it
    data, device, name = None, torch.device(options.device), options.stage
    try:
        make_folder(options.out)
        if options.data is not None:
            folder = options.runs or Path("runs", "gpu", options.out.resolve().name)
            make_folder(folder)
            data = unpacked(options.data, folder)
    except NsfaceError as error:
        parser.error(str(error))
    seconds = 60 * (options.minutes or (4 if name else 8))
    try:
        if name is None:
            records = run_missing(STAGES, options.out, device, seconds, data)
        elif not any(check.possible(data) for check in STAGES[name].checks):
            parser.error(f"--stage {name} needs --data FILE with {STAGES[name].checks[0].needs}")
        else:
            before = read(options.out / f"{name}.json")
            go_on = bool(unfinished(STAGES[name], before, data))
            records = [run_stage(name, STAGES[name], options.out, device, seconds, go_on, data)]
    except Interrupted as interruption:
        print(interruption, file=sys.stderr)
        return 130
    for record in records:
        print(summary(record))
    statuses = {entry["status"] for record in records for entry in record["checks"].values()}
    return 0 if statuses <= {"passed", "not run"} else 1


if __name__ == "__main__":
    sys.exit(main())
