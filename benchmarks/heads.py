"""What heads cost: the classifier plain and in blocks, and each head beside softmax.

    python benchmarks/heads.py [--device cuda] [--identities 100000 200000] [--batch-size 512] [--size 512]

Prints two Markdown tables; times on a CPU are CPU times. The first has the time of a step (forward,
backward, SGD with momentum) of the head alone, and the peak of its memory beyond weights, gradients and
momentum, for both forms of the classifier. The second has each head on the small network of
recipes/lfw-small.yaml: its own time, forward and backward, and what that adds to a whole training step with
softmax. The defaults take about two minutes on one CPU core; on a GPU they include 1,000,000 identities.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from nsface import networks
from nsface.heads import HEADS, Head, others
from nsface.recipe import Optimizer
from nsface.training.trainer import make_optimizer

GIB = 2**30


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--identities", type=int, nargs="*", help="sizes of the classifier")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--size", type=int, default=512, help="of an embedding")
    parser.add_argument("--repeat", type=int, default=2, help="steps, of which the fastest counts")
    parser.add_argument("--rounds", type=int, default=60, help="of all heads on the small network")
    options = parser.parse_args()
    sizes = [100_000, 200_000] if options.device == "cpu" else [100_000, 300_000, 1_000_000]
    print(classifiers(options, options.identities or sizes))
    print(small_network(options))


def classifiers(options: argparse.Namespace, sizes: list[int]) -> str:
    rows = [
        "| head | identities | form | step, s | memory beyond the parameters', GiB |",
        "|---|--:|---|--:|--:|",
    ]
    for name in ("softmax", "arcface"):
        for identities in sizes:
            for form in ("plain", "blocked"):
                # a process of its own: the peak of memory is that of a process
                with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                    shape = (options.size, identities, options.batch_size)
                    seconds, memory = pool.submit(
                        one_classifier, name, form, shape, options.device, options.repeat
                    ).result()
                rows.append(f"| {name} | {identities:,} | {form} | {seconds:.3f} | {memory / GIB:.2f} |")
    return "\n".join(rows) + "\n"


def one_classifier(
    name: str, form: str, shape: tuple[int, int, int], device: str, repeat: int
) -> tuple[float, int]:
    """Seconds of the fastest of `repeat` steps, and the peak of memory beyond 3 × the parameters."""
    size, identities, samples = shape
    others.PLAIN_LIMIT = 2**62 if form == "plain" else 0
    head = HEADS[name](size, identities).to(device)
    optimizer = make_optimizer(Optimizer(), [head])
    features = torch.randn(samples, size, device=device, requires_grad=True)
    labels = torch.randint(identities, (samples,), device=device)
    before = peak(device) - parameters(head)

    def step() -> None:
        optimizer.zero_grad()
        head(features, labels).loss.mean().backward()
        optimizer.step()

    seconds = min(timed(step, device) for _ in range(repeat))
    return seconds, peak(device) - before - 3 * parameters(head)


def parameters(head: Head) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in head.parameters())


def peak(device: str) -> int:
    """The most memory that this process has had, in bytes."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(step: Callable[[], None], device: str) -> float:
    """Seconds of `step`: on a CPU those of its threads, which other work on the machine changes little."""
    if device == "cpu":
        start = time.process_time()
        step()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def small_network(
    options: argparse.Namespace, identities: int = 500, samples: int = 64, size: int = 256
) -> str:
    """Each head in turn, round after round, so that other work on the machine hits all alike."""
    device = options.device
    network = networks.build("light-resnet", height=112, width=96, embedding_size=size).to(device)
    heads = {name: HEADS[name](size, identities).to(device) for name in HEADS}
    images = torch.randn(samples, 3, 112, 96, device=device)
    labels = torch.randint(identities, (samples,), device=device)
    features = network(images).detach().requires_grad_()

    def whole_step() -> None:
        heads["softmax"](network(images), labels).loss.mean().backward()

    def head_step(name: str) -> Callable[[], None]:
        return lambda: heads[name](features, labels).loss.mean().backward()

    steps = [timed(whole_step, device) for _ in range(6)][1:]
    times: dict[str, list[float]] = {name: [] for name in heads}
    for _ in range(options.rounds):
        for name in heads:
            times[name].append(timed(head_step(name), device))
    step = statistics.median(steps)
    softmax = statistics.median(times["softmax"])
    rows = [
        f"A whole step with softmax: {1000 * step:.1f} ms ({samples} images, {identities} identities).\n",
        "| head | forward and backward, ms | added to a step, % |",
        "|---|--:|--:|",
    ]
    for name in heads:
        own = statistics.median(times[name])
        rows.append(f"| {name} | {1000 * own:.2f} | {100 * (own - softmax) / step:+.2f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
