"""How often the bound of a calibrated threshold holds: the true rate on other people lies at or below it.

Other people means other people in the pairs, and for an FPIR in the gallery too. The laws are those of
`coverage_models.py`, with the true rate at a threshold in closed form, or by numerical integration.
"""

from __future__ import annotations

from collections.abc import Callable

import coverage_models as models
import numpy as np
from coverage_page import Row
from numpy.polynomial.hermite_e import hermegauss
from scipy.stats import norm

from nsface.errors import DataError
from nsface.metrics.impostors import GalleryImpostors, Impostors, ListedImpostors
from nsface.metrics.similarity import Floats, Rows
from nsface.metrics.threshold import calibrated

BOUND = "bound"
GUARANTEE = "guarantee"


def _held(
    group: str, rate: float, effect: float, draws: list[Impostors], truth: Callable[[float], float]
) -> list[Row]:
    """How often the bound and the guarantee hold over `draws`; no row where few can guarantee the rate."""
    rows = []
    for what, guarantee in ((BOUND, False), (GUARANTEE, True)):
        held, sizes = [], []
        for impostors in draws:
            try:
                found = calibrated(impostors, rate, guarantee=guarantee)
            except DataError:  # it cannot guarantee this rate
                continue
            held.append(truth(found.threshold) <= (rate if guarantee else found.upper_bound))
            sizes.append((found.achieved if guarantee else found.upper_bound) / rate)
        if len(held) > 0.9 * len(draws):
            size = float(np.median(sizes))
            rows.append(Row(what, group, rate, effect, False, float(np.mean(held)), len(held), size))
    return rows


def listed(pairs: models.Pairs, rate: float, effect: float, replicates: int, seed: int) -> list[Row]:
    """FMR on the pairs of two people of a list."""
    random, kind = np.random.default_rng(seed), ~pairs.trials.same
    people = pairs.left[kind], pairs.right[kind]
    draws: list[Impostors] = [
        ListedImpostors(pairs.system(random, effect)[kind], people) for _ in range(replicates)
    ]
    return _held(f"Thresholds on {pairs.name}; by FMR", rate, effect, draws, norm.sf)


def all_pairs(people: int, images: int, rate: float, effect: float, replicates: int, seed: int) -> list[Row]:
    """FMR on all pairs of two people."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), images)
    left, right = (person[side] for side in np.triu_indices(len(person), 1))
    left, right = left[left != right], right[left != right]

    def scores() -> Floats:
        person = random.normal(size=people)
        of_pair = (person[left] + person[right]) / np.sqrt(2)
        return models.mixed(of_pair, random.normal(size=len(left)), effect)

    group = f"Thresholds on all {len(left):,} pairs of {people} people with {images} image(s); by FMR"
    draws: list[Impostors] = [ListedImpostors(scores(), (left, right)) for _ in range(replicates)]
    return _held(group, rate, effect, draws, norm.sf)


def galleries(size: tuple[int, int], rate: float, effect: float, replicates: int, seed: int) -> list[Row]:
    """FPIR in a gallery of one image a person, of some 1.84 probes of each stranger."""
    random = np.random.default_rng(seed)
    probes: Rows = models.clusters(np.random.default_rng(0), size[1], 1.84)

    def draw() -> Impostors:
        enrolled, strangers = random.normal(size=size[0]), random.normal(size=size[1])
        of_pair = (strangers[probes, None] + enrolled) / np.sqrt(2)
        scores = models.mixed(of_pair, random.normal(size=of_pair.shape), effect)
        return GalleryImpostors(scores.max(axis=1), probes, scores.argmax(axis=1), size[0])

    group = f"Thresholds in a gallery of {size[0]} people, {len(probes):,} probes of {size[1]:,}; by FPIR"
    draws = [draw() for _ in range(replicates)]
    return _held(group, rate, effect, draws, lambda threshold: false_positives(threshold, size[0], effect))


def false_positives(threshold: float, gallery: int, effect: float) -> float:
    """The share of strangers whose highest score in a gallery of other people reaches `threshold`.

    Given the stranger, the scores with random people are independent: 1 − ∫ φ(u) Φ(…)^N du.
    """
    points, weights = hermegauss(80)
    own = np.sqrt(effect / 2)
    below = norm.cdf((threshold - own * points) / np.sqrt(1 - own**2)) ** gallery
    return float(1 - weights @ below / weights.sum())
