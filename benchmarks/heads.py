"""What heads cost: the classifier plain and in blocks, and each head beside softmax.

    python benchmarks/heads.py [--device cuda] [--identities 100000 300000] [--batch-size 512] [--size 512]

Prints two Markdown tables; times on a CPU are CPU times, of one thread. The first has the time of a step
(forward, backward, SGD with momentum) of the head alone, and the peak of its memory beyond weights, gradients
and momentum, for both forms of the classifier. The second has each head on the small network of
recipes/lfw-small.yaml: its own time, forward and backward, and what that adds to a whole training step with
softmax. The defaults take some ten minutes on one CPU core; on a GPU they include 1,000,000 identities.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import torch
from small_faces import RECIPE, markdown
from torch import nn

from nsface.heads import HEADS, Head, other_identities
from nsface.recipe.schema import Recipe, load_recipe
from nsface.recipe.sections import Optimizer
from nsface.training.build import build_auxiliary, build_head
from nsface.training.optimizer import make_optimizer

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
    sizes = [100_000, 200_000, 300_000] if options.device == "cpu" else [100_000, 300_000, 1_000_000]
    classifiers(options, options.identities or sizes)
    print("\n" + small_network(options))


def classifiers(options: argparse.Namespace, sizes: list[int]) -> None:
    """Print each row as it comes: they take a minute and more."""
    print(
        "| head | identities | form | step, s | memory beyond the parameters', GiB |\n|---|--:|---|--:|--:|"
    )
    for name in ("softmax", "arcface"):
        for identities in sizes:
            for classifier_form in ("plain", "blocked"):
                # a process of its own: the peak of memory is that of a process
                with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                    shape = (options.size, identities, options.batch_size)
                    seconds, memory = pool.submit(
                        one_classifier, name, classifier_form, shape, options.device, options.repeat
                    ).result()
                row = f"| {name} | {identities:,} | {classifier_form} | {seconds:.3f} | {memory / GIB:.2f} |"
                print(row, flush=True)


def one_classifier(
    name: str, classifier_form: str, shape: tuple[int, int, int], device: str, repeat: int
) -> tuple[float, int]:
    """Seconds of the fastest of `repeat` steps, and the peak of memory beyond 3 × the parameters."""
    size, identities, samples = shape
    torch.set_num_threads(1)
    other_identities.PLAIN_LIMIT = 2**62 if classifier_form == "plain" else 0
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


@dataclass(frozen=True)
class StepTime:
    """Seconds, forward and backward: of the network, and of head and auxiliary losses; medians."""

    network: float
    losses: float

    @property
    def whole(self) -> float:
        return self.network + self.losses


def step_times(
    recipes: Mapping[str, Recipe], identities: int, device: str, rounds: int
) -> dict[str, StepTime]:
    """Times of a training step of each recipe; all have the same batch size and embedding size.

    Each in turn, round after round, so that other work on the machine hits all alike.
    """
    torch.set_num_threads(1)
    first = next(iter(recipes.values()))
    images = torch.randn(first.batch_size, 3, first.input.height, first.input.width, device=device)
    labels = torch.randint(identities, (first.batch_size,), device=device)
    networks = {
        recipe.network.model_dump_json(): recipe.network.build(recipe.input)
        .to(device)
        .to(memory_format=torch.channels_last)
        for recipe in recipes.values()
    }
    features = networks[first.network.model_dump_json()](images).detach().requires_grad_()

    def network_step(network: nn.Module) -> Callable[[], None]:
        return lambda: network(images).backward(torch.ones_like(features))

    def losses_step(head: Head, auxiliary: nn.ModuleDict) -> Callable[[], None]:
        def step() -> None:
            added = sum(loss.weight * loss(features, labels) for loss in auxiliary.values())
            (head(features, labels).loss.mean() + added).backward()

        return step

    steps = {
        name: losses_step(
            build_head(recipe, identities).to(device), build_auxiliary(recipe, identities).to(device)
        )
        for name, recipe in recipes.items()
    }
    of_networks = medians({name: network_step(network) for name, network in networks.items()}, device, 6)
    of_losses = medians(steps, device, rounds)
    return {
        name: StepTime(of_networks[recipe.network.model_dump_json()], of_losses[name])
        for name, recipe in recipes.items()
    }


def medians(steps: Mapping[str, Callable[[], None]], device: str, rounds: int) -> dict[str, float]:
    """Median time of each of `steps` over `rounds`, after one that does not count."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name, step in steps.items():
            times[name].append(timed(step, device))
    return {name: statistics.median(measured[1:]) for name, measured in times.items()}


def small_network(options: argparse.Namespace, identities: int = 1449) -> str:
    """Every head with the recipe of the small network, on as many identities as its set has."""
    recipes = {name: load_recipe(RECIPE, {"head.name": name}) for name in HEADS}
    times = step_times(recipes, identities, options.device, options.rounds)
    softmax = times["softmax"]
    rows = [["head", "forward and backward, ms", "added to a step, %"]]
    for name, spent in times.items():
        rows.append([name, f"{1000 * spent.losses:.2f}", percent_added(spent, softmax)])
    samples = recipes["softmax"].batch_size
    milliseconds = f"{1000 * softmax.whole:.1f} ms ({samples} images, {identities:,} identities)"
    return f"A whole step with softmax: {milliseconds}.\n\n{markdown(rows)}"


def percent_added(spent: StepTime, softmax: StepTime) -> str:
    """What a step takes longer than with softmax, in per cent."""
    return f"{100 * (spent.whole / softmax.whole - 1):+.2f}"


if __name__ == "__main__":
    main()
