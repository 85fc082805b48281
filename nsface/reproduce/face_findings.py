"""What the table on faces has found, in sentences made from its tests over seeds."""

from __future__ import annotations

from collections.abc import Sequence

from nsface.errors import counted, joined
from nsface.report.comparisons import FEWEST_SEEDS, LEVEL
from nsface.reproduce.arms import BASELINE
from nsface.reproduce.face_outcomes import FaceReproduction
from nsface.reproduce.face_tests import ENSEMBLES_BY_NAME, Tested


def lead(found: FaceReproduction) -> list[str]:
    """In how many figures each arm and tested ensemble is better than the baseline, or worse, by Holm."""
    sentences = []
    if len(found.trainings) < found.expected:
        ended = f"{len(found.trainings)} of {counted(found.expected, 'training')}"
        sentences.append(f"So far {ended} have ended.")
    by_system = _tests(found)
    for system, tests in by_system.items():
        better, worse = _certain(tests, 1), _certain(tests, -1)
        what = f"better than {_baseline(found, system)} in {len(better)} of {counted(len(tests), 'figure')}"
        seeds = counted(_seeds(found, system), "seed")
        sentences.append(
            f"{found.title(system)} is {what} and worse in {len(worse)}, beyond chance ({seeds}, by Holm)."
        )
    arms = [one for one in found.systems if one != BASELINE and one not in ENSEMBLES_BY_NAME]
    if untold := [one for one in arms if one not in by_system]:
        names = joined([found.title(one) for one in untold], "or")
        sentences.append(
            f"Whether {names} is better than {found.title(BASELINE)} cannot be told: a test needs "
            f"{FEWEST_SEEDS} seeds that have ended in both."
        )
    if not arms:
        sentences.append("Nothing has been trained and scored that could be tested against the baseline.")
    return sentences


def claims(found: FaceReproduction) -> list[str]:
    """In which figures each of them is better, or worse, with both values."""
    made = []
    for system, tests in _tests(found).items():
        for what, certain in (("better", _certain(tests, 1)), ("worse", _certain(tests, -1))):
            if certain:
                made.append(f"{found.title(system)}, {what}: {joined([_figure(test) for test in certain])}.")
    return made


def _tests(found: FaceReproduction) -> dict[str, list[Tested]]:
    """The tests of each system that has enough seeds."""
    by_system: dict[str, list[Tested]] = {}
    for test in found.tests():
        if _seeds(found, test.system) >= FEWEST_SEEDS:
            by_system.setdefault(test.system, []).append(test)
    return by_system


def _seeds(found: FaceReproduction, system: str) -> int:
    """How many seeds both the system and the baseline have."""
    own, others = (
        {one.system.seed for one in found.scored if one.system.name == name} for name in (system, BASELINE)
    )
    return len(own & others)


def _certain(tests: Sequence[Tested], sign: int) -> list[Tested]:
    """Those whose difference has this sign, beyond chance."""
    return [
        test
        for test in tests
        if test.p_holm is not None and test.p_holm < LEVEL and sign * test.found.difference > 0
    ]


def _baseline(found: FaceReproduction, system: str) -> str:
    title = found.title(BASELINE)
    return f"one network of {title}" if system in ENSEMBLES_BY_NAME else title


def _figure(test: Tested) -> str:
    """`LFW View 2 (90.64 against 89.70 %)`."""
    assert test.found.values is not None
    own, other = (f"{100 * value:.2f}" for value in test.found.values)
    return f"{test.row.label} ({own} against {other} %)"
