"""What a table has found, in sentences made from its numbers: nothing is better unless its test says so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nsface.errors import counted, joined
from nsface.report.comparisons import FEWEST_SEEDS
from nsface.report.tables import p_value
from nsface.reproduce.arms import ARMS
from nsface.reproduce.outcomes import Against, Reproduction, interval_text, points
from nsface.reproduce.tables import STAND_IN


def lead(found: Reproduction) -> list[str]:
    """What a reader should take away: which arms have fewer errors beyond chance, which more."""
    sentences = []
    if len(found.outcomes) < found.expected:
        ended = f"{len(found.outcomes)} of {counted(found.expected, 'training')}"
        sentences.append(f"So far {ended} have ended.")
    tests = found.tests
    for verdict, what in (("better", "fewer"), ("worse", "more")):
        for test in tests.values():
            if test.verdict == verdict:
                sentences.append(_certain(test, what))
    sentences += [
        _together(kind, [test for test in tests.values() if test.verdict == kind], len(tests))
        for kind in ("chance", "no spread", "too few seeds")
        if any(test.verdict == kind for test in tests.values())
    ]
    if not tests:
        awaited = any(ARMS[arm].against in found.recipes for arm in found.recipes if ARMS[arm].against != arm)
        why = "have ended yet" if awaited else "were both asked for"
        sentences.append(f"No arm and its baseline {why}, so nothing can be said about a difference.")
    return sentences


def claims(found: Reproduction) -> list[str]:
    """Each difference with its certainty, beside the published one; trainings that diverged."""
    made = [_claim(found, test) for test in found.tests.values() if test.found is not None]
    for arm in found.arms:
        if seeds := found.diverged(arm):
            of = f"{len(seeds)} of {counted(len(found.of(arm)), 'training')}"
            one = len(seeds) == 1
            named = f"{'seed' if one else 'seeds'} {joined([str(seed) for seed in seeds])}"
            made.append(
                f"{ARMS[arm].title}: {of} diverged ({named}), and {'is' if one else 'are'} in no mean."
            )
    return made


def doubts(found: Reproduction) -> list[str]:
    """What the table does not show."""
    made = []
    if found.scale_name != "full":
        made.append(
            f"This is the {found.scale_name} size, not that of the paper: whether the differences are the "
            "same at full size, it cannot tell."
        )
    own, of_table = (recipe["network"]["name"] for recipe in (found.recipe, found.full))
    if own != of_table:
        made.append(f"The network is {own}, not that of the table: the published errors are of another one.")
    made += [doubt for doubt in found.table.doubts if own == of_table or doubt != STAND_IN]
    halves = [
        (test.found.interval[1] - test.found.interval[0]) / 2
        for test in found.tests.values()
        if test.found is not None and test.found.interval is not None
    ]
    if halves:
        made.append(
            "With these seeds and their spread, the 95 % intervals reach "
            f"{100 * float(np.median(halves)):.2f} points to either side (median): much smaller differences "
            "would not be seen."
        )
    made.append(
        "The tests are over seeds: they know the chance of initial weights, order and noise, and not that "
        "there could be other test images."
    )
    made.append(
        "The best test was chosen by the test images, so its error is too low; the arms are compared by the "
        "error after the last step."
    )
    made.append("No arm was tuned: all have the learning rate, schedule and weight decay of the recipe.")
    return made


def _certain(test: Against, what: str) -> str:
    found = test.found
    assert found is not None
    assert found.values is not None
    own, other = (f"{100 * value:.2f} %" for value in found.values)
    return (
        f"{ARMS[test.arm].title} makes {what} errors than {ARMS[test.other].title}: {own} against {other} in "
        f"the mean over {counted(test.seeds, 'seed')}, {100 * abs(found.difference):.2f} points "
        f"{'less' if what == 'fewer' else 'more'} (p = {p_value(test.p_holm)} by Holm)."
    ).replace("p = <", "p <")


def _together(kind: str, tests: Sequence[Against], all_tests: int) -> str:
    """One sentence about the arms of which nothing certain can be said."""
    names = [ARMS[test.arm].title for test in tests]
    others = joined(list(dict.fromkeys(ARMS[test.other].title for test in tests)), "or")
    which = f"any of the {all_tests} other arms" if len(tests) == all_tests > 2 else joined(names, "or")
    why = {
        "chance": "chance cannot be ruled out",
        "no spread": "the seeds have no spread to judge by",
        "too few seeds": f"a test needs {FEWEST_SEEDS} seeds that have ended in both",
    }[kind]
    return f"Whether {which} makes fewer errors than {others} cannot be told: {why}."


def _claim(found: Reproduction, test: Against) -> str:
    """`Noisy Softmax, α² = 0.1, less Softmax: −0.72 points (95 % interval …, p = …); published −0.72.`"""
    assert test.found is not None
    certainty = counted(test.seeds, "seed")
    if test.found.interval is not None:
        certainty = (
            f"95 % interval {interval_text(test.found.interval)}, p = {p_value(test.found.p)}, by Holm "
        )
        certainty += f"{p_value(test.p_holm)}; {counted(test.seeds, 'seed')}"
    text = (
        f"{ARMS[test.arm].title} less {ARMS[test.other].title}: {points(test.found.difference)} points "
        f"({certainty})"
    ).replace("p = <", "p <")
    published = found.table.published
    if test.arm in published and test.other in published:
        text += f"; published {points((published[test.arm] - published[test.other]) / 100)}"
    return f"{text}."
