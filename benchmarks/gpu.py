"""What nsface does on a GPU: run this first on any machine that has one, and commit what it writes.

    python benchmarks/gpu.py --stage check --out docs/results/gpu/NAME [--minutes 4]

nsface must be importable: installed, or, with the dependencies that the machine has or is given, as a wheel:

    pip wheel --no-deps --wheel-dir wheels .                # where nsface is built
    pip install --no-index --no-deps --target site wheels/nsface-*.whl
    PYTHONPATH=site python benchmarks/gpu.py --stage check --out DIR

A stage is a list of checks, each with a share of the time. `DIR/STAGE.json` is written after each, whole or
not at all: a check that fails, or whose time is over, has its error there, and the next one runs. The last
lines printed say what passed; the exit status is 1 unless everything did. `--device cpu` does the same on a
small scale, without what only CUDA has, to try the script itself.

Stage `check`, some 4 minutes on an H100: forward and backward pass of every network, head and auxiliary loss
against float64 on the CPU, in float32, TF32 and bfloat16; no step waits for the device; short trainings from
every form of the data, whose weights must have the same bits; a resumed run has the same bits; memory of the
classifier in blocks at a million identities. The numbers beside the tolerances are relative L2 errors.

Stage `extract`, less than a minute: embeddings from files, sent and computed at the same time, against those
of the same pixels in memory, and images a second of both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from nsface import __version__
from nsface.arguments import own_arguments
from nsface.auxiliary import AUXILIARY
from nsface.embeddings.extraction import extract
from nsface.embeddings.model import load_model
from nsface.files import write_text
from nsface.heads import HEADS, DisturbLabel, Head, other_identities
from nsface.heads.noise import Noise
from nsface.images.sources import open_source
from nsface.images.store.packing import pack
from nsface.model import Description, save_model
from nsface.networks import NETWORKS, build
from nsface.preprocessing import Preprocessing
from nsface.ranks import ALONE
from nsface.recipe.schema import Optimizer, Recipe
from nsface.run_folder import RunFolder
from nsface.training.build import build_auxiliary, build_head
from nsface.training.data import make_loader, training_set
from nsface.training.loop import Interrupted
from nsface.training.optimizer import make_optimizer
from nsface.training.run import train
from nsface.training.trainer import Trainer

Found = dict[str, Any]
GIB = 2**30
# Relative L2 error of a network's embeddings, and of the gradient of all its weights. On CPUs sound kernels
# were within half of these; TF32, which CPUs lack, has 3 bits more than bfloat16.
NETWORK_TOLERANCES = {"fp32": (1e-4, 1e-2), "tf32": (2e-2, 0.15), "bf16": (0.1, 0.6)}
# The same of a head's losses, and of its gradients by features (which are bfloat16 there) and class weights.
HEAD_TOLERANCES = {"fp32": (1e-4, 1e-3), "bf16": (1e-4, 1e-2)}
MOST_EXTRA = 2 * GIB  # of memory, beyond weights, gradient and momentum, at a million identities


@dataclass(frozen=True)
class Scale:
    """How much is done: networks, size of their images, of the training set, and of the large classifier."""

    networks: tuple[str, ...] = tuple(NETWORKS)
    images: tuple[int, int] = (49, 47)
    faces: tuple[int, int] = (112, 96)
    identities: int = 32
    per_identity: int = 32
    batch: int = 64
    classes: tuple[int, int, int] = (1_000_000, 512, 512)  # identities, embedding size, batch


SMALL = Scale(("light-resnet", "sphereface-4"), (17, 21), (24, 16), 4, 8, 8, (1000, 16, 8))


@dataclass(frozen=True)
class Place:
    """Where a check works: its device, how much it does, and a folder that is removed afterwards."""

    device: torch.device
    scale: Scale
    folder: Path

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"


class OutOfTime(BaseException):
    """A check has had its time. No exception that a check may catch for itself."""


def each(found: Found, jobs: Mapping[str, Callable[[], Found]]) -> None:
    """Put into `found` what each job finds, or its error; the others run in either case."""
    for name, job in jobs.items():
        try:
            found[name] = job()
        except Exception as error:  # whatever it is, it belongs into the record
            found[name] = {"error": described(error)}


def described(error: BaseException) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1:]
    at = f" ({Path(where[0].filename).name}:{where[0].lineno})" if where else ""
    return f"{type(error).__name__}: {str(error).strip()[:500]}{at}"


def compared(found: Found, exact: dict[str, list[Tensor]], tolerances: Mapping[str, float]) -> Found:
    """Relative L2 errors of the tensors of `found` by name; and an error where one is above its tolerance."""
    result: Found = {}
    for name, tensors in exact.items():
        pairs = [
            (mine.detach().cpu().double(), right.detach())
            for mine, right in zip(found[name], tensors, strict=True)
        ]
        off = sum(float((mine - right).square().sum()) for mine, right in pairs)
        result[name] = (off / sum(float(right.square().sum()) for _, right in pairs)) ** 0.5
    if wrong := [name for name, off in result.items() if not off <= tolerances[name]]:
        result["error"] = f"{', '.join(wrong)}: above the tolerance of {[tolerances[name] for name in wrong]}"
    return result


def networks(place: Place, found: Found) -> None:
    """Forward and backward pass of every network against float64 on the CPU."""

    def passed(network: nn.Module, images: Tensor, classifier: Tensor) -> dict[str, list[Tensor]]:
        embeddings = network(images).to(classifier.dtype)
        labels = torch.arange(len(images), device=images.device) % len(classifier)
        torch.autograd.backward(F.cross_entropy(embeddings @ classifier.T, labels))
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        return {"embeddings": [embeddings], "gradients": gradients}

    def one(name: str) -> Found:
        torch.manual_seed(0)
        height, width = place.scale.images
        network = build(name, height=height, width=width, embedding_size=8).train()
        images, classifier = torch.rand(8, 3, height, width) * 2 - 1, torch.randn(5, 8)
        exact = passed(deepcopy(network).double(), images.double(), classifier.double())
        result: Found = {}
        for precision, (embeddings, gradients) in NETWORK_TOLERANCES.items():
            there = deepcopy(network).to(place.device).to(memory_format=torch.channels_last)
            last = images.to(place.device).contiguous(memory_format=torch.channels_last)
            with (
                tf32(precision != "fp32"),
                torch.autocast(place.device.type, torch.bfloat16, precision == "bf16"),
            ):
                mine = passed(there, last, classifier.to(place.device))
            result[precision] = compared(mine, exact, {"embeddings": embeddings, "gradients": gradients})
        return result

    each(found, {name: partial(one, name) for name in place.scale.networks})


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let convolutions round to TF32, which is PyTorch's default on CUDA, or not."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def heads(place: Place, found: Found) -> None:
    """Losses and gradients of every head, in both forms of the classifier, and of every auxiliary loss."""

    def one(module: nn.Module, precision: str, classifier_form: str) -> Found:
        torch.manual_seed(1)
        features = torch.randn(12, 16).to(torch.bfloat16 if precision == "bf16" else torch.float32)
        labels = torch.arange(12) % 5

        def passed(module: nn.Module, features: Tensor, labels: Tensor) -> dict[str, list[Tensor]]:
            features.requires_grad_()
            output = module(features, labels)
            losses = output.loss if isinstance(module, Head) else output
            losses.sum().backward()
            weights = [p.grad for p in module.parameters() if p.grad is not None]
            return {"losses": [losses], "gradients": [g for g in (features.grad, *weights) if g is not None]}

        with given_draws():
            with mock.patch.object(other_identities, "PLAIN_LIMIT", 2**62):
                exact = passed(deepcopy(module).double(), features.double(), labels)
            with mock.patch.object(
                other_identities, "PLAIN_LIMIT", 0 if classifier_form == "blocked" else 2**62
            ):
                there, places = features.to(place.device), labels.to(place.device)
                mine = passed(deepcopy(module).to(place.device), there, places)
        losses, gradients = HEAD_TOLERANCES[precision]
        return compared(mine, exact, {"losses": losses, "gradients": gradients})

    modules: dict[str, nn.Module] = {}
    for name, kind in HEADS.items():
        torch.manual_seed(0)
        noise: Found = {"alpha2": 0.3} if "alpha2" in own_arguments(kind) else {}
        head = kind(16, 9, **noise)
        nn.init.normal_(head.weight)
        head.advance(3, 10)
        modules[name] = head.train()
    modules |= {name: loss(16, 9, weight=1.0) for name, loss in AUXILIARY.items()}
    for precision in HEAD_TOLERANCES:
        for classifier_form in ("plain", "blocked"):
            jobs = {
                name: partial(one, module, precision, classifier_form) for name, module in modules.items()
            }
            each(found.setdefault(f"{precision}, {classifier_form}", {}), jobs)


@contextmanager
def given_draws() -> Iterator[None]:
    """Give heads their random numbers, which a GPU draws otherwise than a CPU."""

    def noise(self: Noise, like: Tensor, generator: object) -> Tensor:
        return torch.linspace(0.1, 2, len(like), dtype=like.dtype, device=like.device)

    def disturbed(self: DisturbLabel, labels: Tensor) -> Tensor:
        return torch.where(torch.arange(len(labels), device=labels.device) % 4 == 1, 8, labels)

    with mock.patch.object(Noise, "_draw", noise), mock.patch.object(DisturbLabel, "disturbed", disturbed):
        yield


def faces(place: Place) -> Path:
    """A training set to be learned: each identity a pattern of its own, its images that with noise."""
    folder = place.folder / "faces"
    height, width = place.scale.faces
    draws = np.random.default_rng(0)
    for identity in range(place.scale.identities):
        (folder / f"{identity:03d}").mkdir(parents=True)
        pattern = cv2.resize(draws.uniform(0, 255, (4, 4, 3)), (width, height))
        for image in range(place.scale.per_identity):
            noisy = (pattern + draws.normal(0, 20, pattern.shape)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"{identity:03d}" / f"{image:03d}.png"), noisy)
    return folder


def forms(place: Place) -> dict[str, Found]:
    """The forms that training data come in, each with what a recipe says for it."""
    folder = faces(place)
    for store, encoded in (("pixels", False), ("encoded", True)):
        pack(open_source(str(folder)), place.folder / store, encoded=encoded)
    return {
        "in device memory": {"data": str(folder)},
        "in host memory": {"data": str(folder)},
        "cache": {"data": str(folder), "cache": str(place.folder / "cache")},
        "packed pixels": {"data": str(place.folder / "pixels")},
        "streamed": {"data": str(place.folder / "encoded"), "streaming": 2},
    }


def recipe(place: Place, **changes: Any) -> Recipe:
    height, width = place.scale.faces
    augmentation = {"shift": 2, "rotation": 5.0, "brightness": 0.1, "grey": 0.1, "blur": 0.5, "erase": 0.2}
    settings = {
        "network": {"name": "light-resnet", "embedding_size": 32, "channels": 8},
        "head": {"name": "noisy-softmax", "alpha2": 0.1},
        "input": {"height": height, "width": width},
        "augmentation": augmentation,
        "optimizer": {"learning_rate": 0.05, "clip_norm": 5.0},
        "epochs": 4,
        "batch_size": place.scale.batch,
        "log_every": 4,
        "device": place.device.type,
    }
    return Recipe.model_validate(settings | changes)


def placed(form: str, place: Place) -> Any:
    """While entered, pixels stay in host memory where `form` says so: the device seems to be full."""
    if not place.cuda or form != "in host memory":
        return nullcontext()
    return mock.patch("torch.cuda.mem_get_info", return_value=(0, 0))


def waits(place: Place, found: Found) -> None:
    """Whole training steps, of every form of the data and every head, in which the host never waits."""

    def steps(form: str, **changes: Any) -> Found:
        chosen = recipe(place, log_every=10**6, epochs=100, **changes)
        source, images, labels, identities = training_set(chosen)
        with placed(form, place):
            loader = make_loader(chosen, source, images, labels, place.device, ALONE)
        network, head = chosen.network.build(chosen.input), build_head(chosen, len(identities))
        auxiliary = build_auxiliary(chosen, len(identities))
        dtype = torch.bfloat16 if place.cuda else torch.float32
        trainer = Trainer(chosen, network, head, auxiliary, loader, place.device, dtype)
        with loader:
            run = trainer.run()
            for _ in range(3):  # what is made once may wait
                next(run)
            with nothing_waits(place):
                for _ in range(6):
                    next(run)
        loss = trainer.meter.read()["loss"]
        return {"steps": 6, "loss": loss} | ({} if np.isfinite(loss) else {"error": "the loss is not finite"})

    settings = forms(place)
    each(found, {form: partial(steps, form, **settings[form]) for form in settings})
    usual = settings["packed pixels"]
    jobs = {name: partial(steps, "", **usual, head={"name": name}) for name in HEADS}
    each(found.setdefault("heads", {}), jobs)


@contextmanager
def nothing_waits(place: Place) -> Iterator[None]:
    """Make it an error that the host waits for the GPU; a CPU is never waited for."""
    if not place.cuda:
        yield
        return
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def trainings(place: Place, found: Found) -> None:
    """A short training from every form of the data: it learns, and to the same bits as from the others."""
    weights: dict[str, dict[str, Tensor]] = {}

    def one(form: str, settings: Found) -> Found:
        out = place.folder / "runs" / form.replace(" ", "-")
        with placed(form, place):
            weights[form] = load_file(train(recipe(place, **settings), out))
        log = RunFolder(out).read_log()
        result = {"losses": [line["loss"] for line in log], "images_per_second": log[-1]["images_per_second"]}
        if not result["losses"][-1] < result["losses"][0]:
            result["error"] = "the loss has not fallen"
        elif not same(weights[form], weights["in device memory"]):
            result["error"] = "other weights than those from device memory"
        return result

    with deterministic():
        each(found, {form: partial(one, form, settings) for form, settings in forms(place).items()})


def resumed(place: Place, found: Found) -> None:
    """A run that is stopped in its midst and resumed has the bits of one that was not."""
    data = {"data": str(faces(place))}

    def one(precision: str) -> Found:
        chosen = recipe(place, precision=precision, **data)
        folder = place.folder / precision
        whole = load_file(train(chosen, folder / "whole"))
        step, usual = 0, Trainer._train_step

        def stopping(self: Trainer, *arguments: Any, **named: Any) -> Any:
            nonlocal step
            step += 1
            if step == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return usual(self, *arguments, **named)

        try:
            with mock.patch.object(Trainer, "_train_step", stopping):
                train(chosen, folder / "parts")
            return {"error": "the run was not stopped"}
        except Interrupted:
            parts = load_file(train(chosen, folder / "parts", resume=True))
        return {"stopped_after": step} | (
            {} if same(parts, whole) else {"error": "other weights than unstopped"}
        )

    with deterministic():
        each(found, {precision: partial(one, precision) for precision in ("fp32", "bf16")})


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def classifier(place: Place, found: Found) -> None:
    """Steps of the classifier in blocks: its memory beyond weights, gradient and momentum, and its losses."""
    identities, size, batch = place.scale.classes

    def one(name: str) -> Found:
        torch.manual_seed(0)
        with place.device:
            head = HEADS[name](size, identities).train()
            features = torch.randn(batch, size, requires_grad=True)
            labels = torch.randint(identities, (batch,))
        weights = sum(p.numel() * p.element_size() for p in head.parameters())
        with torch.no_grad(), mock.patch.object(other_identities, "PLAIN_LIMIT", 2**62):
            plain = head(features, labels).loss
        optimizer = make_optimizer(Optimizer(), [head])
        losses, seconds = [], []
        with mock.patch.object(other_identities, "PLAIN_LIMIT", 0):
            if place.cuda:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            for _ in range(3):
                start = time.perf_counter()
                optimizer.zero_grad()
                output = head(features, labels).loss
                output.mean().backward()
                optimizer.step()
                losses.append(output.detach())
                if place.cuda:
                    torch.cuda.synchronize()
                seconds.append(time.perf_counter() - start)
        off = float((losses[0] - plain).norm() / plain.norm())
        result: Found = {"weights": weights, "seconds": seconds, "off_plain": off, "tolerance": 1e-5}
        if not off <= 1e-5:
            result["error"] = "other losses than those of the plain form"
        if place.cuda:  # on a CPU nothing tells the peak of one part of a process
            result |= {"extra": torch.cuda.max_memory_allocated() - 3 * weights, "most_extra": MOST_EXTRA}
            if result["extra"] > MOST_EXTRA:
                result["error"] = f"{result['extra'] / GIB:.2f} GiB beyond weights, gradient and momentum"
        return result

    each(found, {name: partial(one, name) for name in ("softmax", "arcface")})


def extraction(place: Place, found: Found) -> None:
    """Batches that are sent while others are computed give what each gives alone; and how fast both are."""
    height, width = place.scale.faces
    description = Description(
        network="sphereface-20" if place.cuda else "light-resnet",
        network_arguments={},
        embedding_size=512,
        input=Preprocessing(height=height, width=width),
        head="softmax",
        head_arguments={},
        identities=2,
        recipe_digest="",
    )
    save_model(place.folder / "model.safetensors", description.build(), description)
    model = load_model(place.folder / "model.safetensors", device="cuda" if place.cuda else "cpu")
    source, batch = open_source(str(faces(place))), place.scale.batch
    pixels = np.stack([source.pixels(index) for index in range(len(source))])

    def in_file() -> Any:
        made = extract(model, source, batch_size=batch, output=place.folder / "faces.npy")
        return made.embeddings.vectors[:]

    vectors = {}
    for name, function in {
        "network": lambda: model.embed(pixels, batch_size=batch),
        "extraction": in_file,
    }.items():
        function()  # libraries are loaded, and their kernels chosen
        start = time.perf_counter()
        vectors[name] = torch.from_numpy(function())
        found[f"{name}_images_per_second"] = len(source) / (time.perf_counter() - start)
    exact = {"embeddings": [vectors["network"]]}
    found["off"] = compared({"embeddings": [vectors["extraction"]]}, exact, {"embeddings": 1e-3})


@dataclass(frozen=True)
class Check:
    """A part of a stage, called with its place and the dictionary that it fills; its share of the time."""

    run: Callable[[Place, Found], None]
    share: float

    @property
    def name(self) -> str:
        return self.run.__name__


# A further stage (speed, classifier, cifar, faces, …) is a line here, and its checks above.
STAGES: dict[str, tuple[Check, ...]] = {
    "check": (
        Check(networks, 0.3),
        Check(heads, 0.1),
        Check(waits, 0.2),
        Check(trainings, 0.15),
        Check(resumed, 0.1),
        Check(classifier, 0.15),
    ),
    "extract": (Check(extraction, 1),),
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where STAGE.json is written")
    parser.add_argument("--minutes", type=float, default=4, help="for the whole stage")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("no usable CUDA device here; --device cpu tries the script itself")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic algorithms need it
    options.out.mkdir(parents=True, exist_ok=True)
    record = run_stage(options.stage, options.out, torch.device(options.device), 60 * options.minutes)
    print(summary(record))
    return 0 if record["passed"] == len(STAGES[options.stage]) else 1


def run_stage(stage: str, out: Path, device: torch.device, seconds: float) -> Found:
    """Run the checks of `stage`, within `seconds` together; what is found so far is always in `out`."""
    end = time.monotonic() + seconds
    checks = STAGES[stage]
    record: Found = {"stage": stage, "environment": environment(device), "minutes": seconds / 60, "passed": 0}
    record["checks"] = {check.name: {"status": "not run"} for check in checks}
    for number, check in enumerate(checks):
        entry = record["checks"][check.name]
        # what earlier checks have left over is shared by those to come
        share = check.share / sum(later.share for later in checks[number:])
        entry |= {"status": "running", "box_seconds": share * (end - time.monotonic()), "found": {}}
        write(out / f"{stage}.json", record)
        print(f"{check.name} …", file=sys.stderr, flush=True)
        run_check(check, device, entry)
        record["passed"] += entry["status"] == "passed"
        write(out / f"{stage}.json", record)
    return record


def run_check(check: Check, device: torch.device, entry: Found) -> None:
    """Run `check` within its time, and put into `entry` how it ended."""

    def over(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    start, usual = time.monotonic(), signal.signal(signal.SIGALRM, over)
    try:
        with tempfile.TemporaryDirectory() as folder:
            try:
                signal.setitimer(signal.ITIMER_REAL, max(entry["box_seconds"], 0.001))
                check.run(
                    Place(device, SMALL if device.type == "cpu" else Scale(), Path(folder)), entry["found"]
                )
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        entry["status"] = "failed" if faults(entry["found"]) else "passed"
    except OutOfTime:
        entry |= {"status": "failed", "error": f"not done within {entry['box_seconds']:.0f} s"}
    except Exception as error:  # whatever it is, it belongs into the record
        entry |= {"status": "failed", "error": described(error)}
    finally:
        signal.signal(signal.SIGALRM, usual)
    entry["seconds"] = time.monotonic() - start


def faults(found: Found, at: str = "") -> list[str]:
    """Each error in `found`, with where it is."""
    here = [f"{at}: {found['error']}"] if "error" in found else []
    nested = [
        (f"{at}, {key}" if at else str(key), value) for key, value in found.items() if isinstance(value, dict)
    ]
    return here + [fault for place, value in nested for fault in faults(value, place)]


def environment(device: torch.device) -> Found:
    """What the numbers depend on."""
    found: Found = {
        "nsface": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cores": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "device": platform.processor() or "cpu",
    }
    if device.type == "cuda":
        gpu = torch.cuda.get_device_properties(device)
        found |= {"device": gpu.name, "memory": gpu.total_memory, "cudnn": torch.backends.cudnn.version()}
    return found


def write(path: Path, record: Found) -> None:
    finite = json.loads(json.dumps(record), parse_constant=str)  # JSON has no NaN and no infinity
    write_text(path, json.dumps(finite, indent=1) + "\n")


def summary(record: Found) -> str:
    lines = []
    for name, entry in record["checks"].items():
        lines.append(f"{entry['status']:8} {name} ({entry.get('seconds', 0):.1f} s)")
        lines += [f"           {fault}" for fault in faults(entry["found"])]
        lines += [f"           {entry['error']}"] if "error" in entry else []
    return "\n".join([*lines, f"{record['passed']} of {len(record['checks'])} checks passed"])


if __name__ == "__main__":
    sys.exit(main())
