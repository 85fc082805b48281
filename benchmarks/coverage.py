"""Whether intervals hold what they say, and tests reject a true null as often as they say: by simulation.

    python benchmarks/coverage.py -o docs/results/coverage.md       # about a quarter of an hour of one core
    python benchmarks/coverage.py --thresholds -o docs/results/coverage.md     # their part of it alone
    python benchmarks/coverage.py --groups -o docs/results/coverage.md         # that of groups alone
    python benchmarks/coverage.py --seeds -o docs/results/coverage.md          # that of trainings alone
    python benchmarks/coverage.py --speed                           # of 6,000 and 1,000,000 pairs

Every interval and test that nsface prints is taken from nsface's own functions, thousands of times, on scores
of known law (`coverage_models.py`). LFW's list is read from $NSFACE_DATA/lists where that is set.
"""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial, reduce
from pathlib import Path

import click
import coverage_models as models
import coverage_thresholds as thresholds
import numpy as np
from coverage_groups import SHAPES, by_group
from coverage_page import GROUPS, SEEDS, THRESHOLDS, Row, page, part, with_part
from coverage_seeds import trained
from scipy.stats import norm

from nsface.embeddings import Embeddings
from nsface.metrics.identification import OpenSet, dir_at_far
from nsface.metrics.roc import roc, tar_at_far
from nsface.metrics.search import Found
from nsface.metrics.shared_people import SharedPeople, paired_difference, rate_interval
from nsface.metrics.verification import Fold, accuracy_at, best_threshold
from nsface.protocols.comparison import compare_identification, compare_templates, compare_verification
from nsface.protocols.identification import MeasuredTrial
from nsface.protocols.ijb import ScoredTemplates
from nsface.protocols.scored_pairs import ScoredPairs
from nsface.protocols.templates import Faces, TemplatePairs
from nsface.protocols.transforms import Transform
from nsface.protocols.verification import FARS, measure
from nsface.results.identification import DirAtFar as DirResult
from nsface.results.identification import IdentificationTrial
from nsface.results.identification import OpenSet as OpenSetResult

ACCURACIES = (0.75, 0.9, 0.98, 0.9965, 0.998)
EFFECTS = (0.0, 0.5)
Setting = Callable[[int], list[Row]]


@dataclass
class Tally:
    """Intervals and the truth they should hold, and p-values under a true null, by what they are of."""

    intervals: dict[str, list[tuple[float, float, float]]] = field(default_factory=lambda: defaultdict(list))
    rejected: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    found: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def interval(self, what: str, ends: Sequence[float] | None, truth: float = np.nan) -> None:
        """Without `truth` it is the mean of all values of `found` under the same name."""
        assert ends is not None
        self.intervals[what].append((ends[0], ends[1], truth))

    def test(self, what: str, p_value: float | None) -> None:
        assert p_value is not None
        self.rejected[what].append(p_value <= 0.05)

    def rows(self, group: str, level: float, effect: float) -> list[Row]:
        rows = []
        for what, ends in self.intervals.items():
            low, high, truth = np.array(ends).T
            truth = np.where(np.isnan(truth), np.mean(self.found.get(what, [np.nan])), truth)
            held = float(((low <= truth) & (truth <= high)).mean())
            rows.append(Row(what, group, level, effect, False, held, len(ends)))
        for what, rejections in self.rejected.items():
            rows.append(Row(what, group, level, effect, True, float(np.mean(rejections)), len(rejections)))
        return rows


def folds(pairs: models.Pairs, accuracy: float, effect: float, replicates: int, seed: int) -> list[Row]:
    """Accuracy over folds, TAR at FAR, and the comparison of two systems."""
    random, tally = np.random.default_rng(seed), Tally()
    distance = models.distance_for(accuracy)
    for _ in range(replicates):
        systems = [
            measure("lfw", pairs.trials, scores, "cosine")
            for scores in pairs.systems(random, distance, effect)
        ]
        result = systems[0].result()
        names = {
            "confidence_interval": "accuracy, t over folds",
            "identity_interval": "accuracy, identity-aware",
        }
        for key, what in names.items():
            tally.interval(what, getattr(result, key))
            tally.found[what] += [system.kfold.accuracy for system in systems if system.kfold]
        if accuracy in (0.75, 0.98, 0.998):
            for point in result.tar_at_far:
                truths = norm.sf(point.threshold - distance), norm.sf(point.threshold)
                for name, key, truth in zip(
                    ("TAR", "FAR"), ("identity_interval", "far_identity_interval"), truths, strict=True
                ):
                    tally.interval(
                        f"{name} at the threshold of FAR {point.far:g}", getattr(point, key), truth
                    )
        compared = compare_verification(*systems)
        tally.interval("accuracy difference, identity-aware", compared.identity_interval, 0.0)
        tally.interval("accuracy difference, t over folds", compared.confidence_interval, 0.0)
        tally.test("accuracy difference, identity-aware", compared.identity_p_value)
        tally.test("accuracy difference, t over folds", compared.p_value)
        tally.test("McNemar, exact, of accuracy", compared.mcnemar.exact)
        tally.test("McNemar, mid-p, of accuracy", compared.mcnemar.mid_p)
    return tally.rows(f"{pairs.name}; by accuracy", accuracy, effect)


def view_1(accuracy: float, effect: float, replicates: int, seed: int) -> list[Row]:
    """A list without folds, its threshold from another list of 2,200 pairs."""
    random, tally = np.random.default_rng(seed), Tally()
    training, test = models.small(900, 2200, folds=1), models.small(700, 1000, folds=1)
    distance = models.distance_for(accuracy)
    for _ in range(replicates):
        learned, scores = (pairs.systems(random, distance, effect)[0] for pairs in (training, test))
        threshold = best_threshold(learned, training.trials.same)
        fold = Fold(accuracy_at(scores, test.trials.same, threshold), threshold, len(scores))
        curve = roc(scores, test.trials.same)
        points = tuple(tar_at_far(curve, far) for far in FARS)
        measured = ScoredPairs("lfw", test.trials, scores, None, fold, curve, points, "cosine", Transform())
        truth = (norm.sf(threshold - distance) + norm.cdf(threshold)) / 2
        tally.interval(
            "accuracy at a given threshold, identity-aware", measured.result().identity_interval, truth
        )
    return tally.rows("Like View 1, 1,000 pairs of 700 people; by accuracy", accuracy, effect)


def ranks(rate: float, effect: float, replicates: int, seed: int) -> list[Row]:
    """Rank-1 over some 3,100 probes of 596 people."""
    random, tally = np.random.default_rng(seed), Tally()
    people = models.clusters(np.random.default_rng(0), 596, 5.3)
    for _ in range(replicates):
        hits = [scores < norm.ppf(rate) for scores in models.two_probe_scores(random, people, effect)]
        shared = SharedPeople(people, people)
        tally.interval("Rank-k, identity-aware", rate_interval(hits[0], shared), rate)
        first, second = (
            MeasuredTrial("", Found(np.zeros(len(h)), np.where(h, 1, 2)), None, IdentificationTrial(), people)
            for h in hits
        )
        compared = compare_identification(first, second, ()).rank_1
        assert compared
        tally.interval("Rank-1 difference, identity-aware", compared.identity_interval, 0.0)
        tally.test("Rank-1 difference, identity-aware", compared.identity_p_value)
        tally.test("McNemar, mid-p, of Rank-1", compared.mcnemar.mid_p)
    return tally.rows(f"Closed set, {len(people):,} probes of 596 people; by Rank-k rate", rate, effect)


def rates(dir_: float, far: float) -> OpenSetResult:
    """A result with one rate, which is all that a comparison reads."""
    return OpenSetResult(
        gallery=0, genuine=0, impostors=0, dir=(DirResult(far=far, dir=dir_, threshold=0, achieved_far=far),)
    )


def open_sets(
    size: tuple[int, int], far: float, rate: float, effect: float, replicates: int, seed: int
) -> list[Row]:
    """DIR at FAR: one genuine probe of each known person, some 1.84 images of each stranger."""
    random, tally = np.random.default_rng(seed), Tally()
    strangers = models.clusters(np.random.default_rng(0), size[1], 1.84)
    known = np.arange(size[0])
    distance = norm.isf(far) + norm.ppf(rate)
    what, ranks = "DIR, people resampled", np.ones(size[0], dtype=np.int64)
    for _ in range(replicates):
        genuine = models.two_probe_scores(random, known, effect)
        others = models.two_probe_scores(random, strangers, effect)
        systems = [
            OpenSet(Found(scores + distance, ranks), impostors, known, strangers)
            for scores, impostors in zip(genuine, others, strict=True)
        ]
        points = [dir_at_far(systems[0], far), dir_at_far(systems[1], far, replicates=1)]
        tally.interval(what, points[0].confidence_interval)
        tally.found[what] += [point.dir for point in points]
        first, second = (
            MeasuredTrial("", None, system, IdentificationTrial(open_set=rates(point.dir, far)))
            for system, point in zip(systems, points, strict=True)
        )
        (compared,) = compare_identification(first, second, (far,)).dir or ()
        tally.interval("DIR difference, paired bootstrap", compared.confidence_interval, 0.0)
        tally.test("DIR difference, paired bootstrap", compared.p_value)
    sizes = f"{size[0]:,} genuine probes, {len(strangers):,} impostors of {size[1]:,} people"
    return tally.rows(f"Open set, {sizes}; by DIR at FAR {far:g}", rate, effect)


def templates(rate: float, effect: float, replicates: int, seed: int) -> list[Row]:
    """TAR at FAR over template pairs in the manner of IJB: 3,000 genuine of 500 people, 30,000 impostors."""
    random, tally = np.random.default_rng(seed), Tally()
    people, each, far = 500, 4, 1e-3
    i, j = np.triu_indices(each, 1)
    left = (each * np.arange(people)[:, None] + i).ravel()
    right = (each * np.arange(people)[:, None] + j).ravel()
    first = random.integers(0, people * each, 30_000)
    second = (first + random.integers(each, each * (people - 1), 30_000)) % (people * each)
    same = np.arange(len(left) + len(first)) < len(left)
    sides = [np.concatenate(side).astype(np.int32) for side in ((left, first), (right, second))]
    pairs = TemplatePairs(np.arange(people * each), sides[0], sides[1], same)
    distance = norm.isf(far) + norm.ppf(rate)
    nobody = Embeddings([], np.empty((0, 1), dtype=np.float32))
    for _ in range(replicates):
        genuine = models.two_probe_scores(random, left // each, effect)
        scores = [
            np.concatenate([own + distance, random.normal(size=len(first))]).astype(np.float32)
            for own in genuine
        ]
        systems = [ScoredTemplates(nobody, Faces([], left, right), pairs, own, (far,)) for own in scores]
        (point,) = systems[0].result().tar_at_far
        truth = norm.sf(point.threshold - distance)
        tally.interval("IJB: TAR at its threshold, identity-aware", point.identity_interval, truth)
        fixed, fixed_other = (own + distance >= norm.isf(far) for own in genuine)
        shared = SharedPeople(left // each, left // each)
        tally.test(
            "IJB: TAR difference at given thresholds", paired_difference(fixed, fixed_other, shared).p_value
        )
        (compared,) = compare_templates(systems[0], systems[1], (far,)).tar_at_far
        tally.interval("IJB: TAR difference, identity-aware", compared.identity_interval, 0.0)
        tally.test("IJB: TAR difference, identity-aware", compared.identity_p_value)
        tally.test("IJB: McNemar, mid-p", compared.mcnemar.mid_p)
    sizes = "3,000 genuine pairs of 500 people, 30,000 impostors"
    return tally.rows(f"Template pairs as of IJB, {sizes}; by TAR at FAR {far:g}", rate, effect)


def settings(data: Path, scale: float) -> list[Setting]:
    """Everything that is simulated; each takes a seed."""
    many, fewer, few = (max(2, int(count * scale)) for count in (1000, 400, 100))
    official, small = models.lfw(data), (models.small(100, 1000), models.small(40, 600))
    made: list[Setting] = []
    for e in EFFECTS:
        made += [partial(folds, official, a, e, many) for a in ACCURACIES]
        made += [partial(folds, pairs, a, e, many) for pairs in small for a in ACCURACIES[:3]]
        made += [partial(view_1, a, e, many) for a in (0.75, 0.98, 0.998)]
        made += [partial(ranks, rate, e, many) for rate in (0.05, 0.5, 0.9, 0.99)]
        made += [partial(open_sets, (200, 1000), 0.01, rate, e, fewer) for rate in (0.05, 0.5, 0.9, 0.99)]
        made += [partial(templates, rate, e, fewer) for rate in (0.5, 0.9, 0.99)]
        made += [partial(open_sets, (596, 5153), far, r, e, few) for far, r in ((0.01, 0.6), (0.1, 0.83))]
    return made


def threshold_settings(data: Path, scale: float) -> list[Setting]:
    """What is simulated of calibrated thresholds; each takes a seed."""
    official, count = models.lfw(data), max(2, int(400 * scale))
    made: list[Setting] = []
    for e in EFFECTS:
        made += [partial(thresholds.listed, official, rate, e, count) for rate in FARS]
        made += [partial(thresholds.all_pairs, 300, 1, rate, e, count) for rate in FARS]
        made += [partial(thresholds.all_pairs, 100, 3, rate, e, count) for rate in FARS]
        made += [partial(thresholds.galleries, (200, 1000), rate, e, count) for rate in FARS[:2]]
    return made


def group_settings(data: Path, scale: float) -> list[Setting]:
    """What is simulated of groups of people; each takes a seed."""
    count = max(2, int(120 * scale))
    return [partial(by_group, shape, rate, e, count) for shape in SHAPES for rate in (0.04,) for e in EFFECTS]


def seed_settings(data: Path, scale: float) -> list[Setting]:
    """What is simulated of trainings with several seeds; each takes a seed."""
    count = max(2, int(4000 * scale))
    return [partial(trained, n, a, e, count) for n in (3, 5, 10) for a in ACCURACIES[:3] for e in EFFECTS]


PARTS = {
    "--thresholds": (THRESHOLDS, threshold_settings),
    "--groups": (GROUPS, group_settings),
    "--seeds": (SEEDS, seed_settings),
}


def speed() -> dict[int, tuple[float, float, float]]:
    """Seconds for the interval and test of P pairs, for who shares whom, and MiB at most: by P."""
    measured = {}
    for pairs in (6_000, 1_000_000):
        random = np.random.default_rng(0)
        left, right = random.integers(0, pairs // 2, (2, pairs))
        right[::2] = left[::2]
        first, second = random.random((2, pairs)) < 0.9
        start = time.process_time()
        shared = SharedPeople(left, right)
        middle = time.process_time()
        rate_interval(first, shared)
        paired_difference(first, second, shared)
        end = time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        measured[pairs] = (middle - start, end - middle, peak)
    return measured


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the page there.")
@click.option("--scale", default=1.0, show_default=True, help="Replicates, in parts of those of the page.")
@click.option("--seed", default=0, show_default=True, help="Of the first setting; the next has the next.")
@click.option("--processes", default=1, show_default=True)
@click.option(
    "--thresholds",
    "only",
    flag_value="--thresholds",
    help="Calibrated thresholds alone; the rest of the page stays.",
)
@click.option(
    "--groups", "only", flag_value="--groups", help="Groups of people alone; the rest of the page stays."
)
@click.option(
    "--seeds", "only", flag_value="--seeds", help="Tests over seeds alone; the rest of the page stays."
)
@click.option("--speed", "speed_only", is_flag=True, help="Measure time and memory alone.")
def main(
    output: Path | None, scale: float, seed: int, processes: int, only: str | None, speed_only: bool
) -> None:
    """Simulate everything, print a line a setting, write the page."""
    found = speed()
    for pairs, (build, use, peak) in found.items():
        click.echo(f"{pairs:,} pairs: {build:.3f} s + {use:.3f} s, at most {peak:.0f} MiB")
    if speed_only:
        return
    data = Path(os.environ.get("NSFACE_DATA", "../shared/data"))
    sections = [
        part(head, option, *_all_simulated(made(data, scale), seed, processes), seed)
        for option, (head, made) in PARTS.items()
        if only in (None, option)
    ]
    if only:
        text = output.read_text(encoding="utf-8") if output else ""
    else:
        rows, seconds = _all_simulated(settings(data, scale), seed, processes)
        text = page(rows, found, seconds, seed)
    if output:
        output.write_text(reduce(with_part, sections, text), encoding="utf-8")


def _all_simulated(everything: list[Setting], seed: int, processes: int) -> tuple[list[Row], float]:
    """The rows of all settings, printed as they are made, and the seconds of CPU."""
    rows: list[Row] = []
    seconds = 0.0
    with ProcessPoolExecutor(processes) as pool:
        for made, spent in pool.map(_simulated, everything, range(seed, seed + len(everything))):
            rows, seconds = rows + made, seconds + spent
            for row in made:
                click.echo(row.line())
    return rows, seconds


def _simulated(setting: Setting, seed: int) -> tuple[list[Row], float]:
    """The rows of a setting, and the seconds of CPU."""
    start = time.process_time()
    return setting(seed), time.process_time() - start


if __name__ == "__main__":
    main()
