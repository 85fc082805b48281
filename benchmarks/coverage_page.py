"""The page that `coverage.py` writes: a table a list, and where the target is missed, the reason."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
import sklearn

INTERVALS, TESTS = (0.93, 0.97), (0.035, 0.065)

HEAD = """# Coverage of intervals and tests

nsface prints intervals and tests. This page shows, on simulated scores, how often a nominal 95 % interval
contains the true value and how often a 5 % test rejects a true null hypothesis. The target is 93 to 97 %
for intervals and 3.5 to 6.5 % for tests. *Italics* mark values that miss the target by no more than two
standard errors, **bold** those that miss it by more; the reasons stand below each list. Numbers without an
interval or test are not included: AUC, EER, calibration error, standard deviations over trials.

Scores are normal with the same variance everywhere. The column "people" has the share of this variance
that comes from the people shown: 0, or 0.5 where half of what makes a score high or low belongs to the
faces and not to the pair. The two systems of a comparison are equally good, and the correlation of their
scores is one half. The true value of an accuracy or a DIR is its mean over all replicates, which is what the
protocol would give on average on other people. The true value of TAR and FAR is that of the distribution at
the threshold that was found. The standard error (at 95 or 5 %) is 0.7 points with 1,000 replicates, 1.3 with
300, and 2.2 with 100.
"""

THRESHOLDS = """# Calibrated thresholds

`nsface calibrate` prints a one-sided 95 % upper bound for the true rate at its threshold, that is, on other
people (for an FPIR, with other people in the gallery too). "Bound" is how often the true rate was at or
below it; "guarantee" how often the true rate at a threshold made with `--guarantee` was at or below the rate
that was wanted. In parentheses stands the median of the bound, and of the list's own rate at the guaranteed
threshold, over the rate that was wanted. A cell is empty where more than one list in ten cannot guarantee
the rate. The standard error is 1.1 points.
"""

GROUPS = """# Groups of people

`--groups` prints summaries of how much error rates differ between groups, with 95 % intervals, and a test
whether the groups differ by chance. Each group has 300 people. FNMR is of 1 to 6 pairs of each, 3.5 in the
mean; FMR of 8,000 pairs of random people, of which those within a group count. A column is the rate of the
first group; the title of a table says what those of the others are by it. The standard error (at 95 or 5 %)
is 2.0 points for a test and for GARBE, and 1.4 for the intervals of the others, of which each replicate has
two: of FNMR and of FMR.
"""

SEEDS = """# Trainings with several seeds

`nsface runs` and the report compare recipes by t tests over seeds. Accuracies on 6,000 pairs vary with the
seed by 0.3 points (standard deviation), with a longer tail below, and by what single pairs add. The column
"people" has here the share of the seed's effect that is the same for both recipes. "Holm, any of 3" is how
often any of three recipes that equal the baseline is called better or worse. The standard error is 0.3
points.
"""

REASONS = {
    "bound": (
        "the variance of a rate that a hundred people decide is an estimate from few, and their errors are "
        "rare."
    ),
    "guarantee": "for the same reason as the bound.",
    "accuracy, t over folds": (
        "folds share training pairs and thresholds, and near the ceiling ten values say little about a "
        "skewed distribution. The interval is customary for the protocol and is printed under its name; use "
        "the identity-aware one."
    ),
    "accuracy difference, t over folds": (
        "for the same reason as the accuracy. Use the identity-aware interval and test."
    ),
    "accuracy, identity-aware": (
        "half the squared optimism is the average cost of choosing a threshold; in short lists without "
        "effects of people it is slightly too much."
    ),
    "accuracy difference, identity-aware": (
        "half of what two choices of a threshold add is assumed to cancel, which is not correct for every "
        "pair of systems."
    ),
    "McNemar": (
        "the test treats pairs (probes) as independent and decisions as fixed. People who are in many pairs, "
        "and thresholds chosen on the same pairs, make it reject too often. Use the identity-aware test."
    ),
    "TAR at": (
        "hardly any genuine pair is refused, and an interval for so few events contains the true value too "
        "often."
    ),
    "FAR at": (
        "with few impostor pairs at the threshold, or none, the interval contains the true value too often. "
        "If half of the variance comes from 40 people, who share all impostor pairs, it does so too seldom."
    ),
    "accuracy at a given": ("there are only a few errors."),
    "Rank-k": ("half of the variance comes from 596 people, and near the ends a few of them decide."),
    "Rank-1": ("for the same reason as Rank-k."),
    "DIR, people": (
        "a threshold that rests on about twenty impostors varies more in the bootstrap than it does in "
        "reality, and at 0.99 there are only a few errors."
    ),
    "DIR difference": (
        "a threshold that rests on about twenty impostors varies more in the bootstrap than it does in "
        "reality, and differences are whole probes. The interval contains the true value too often, and the "
        "test rejects too seldom."
    ),
    "IJB: TAR difference, identity-aware": (
        "thirty impostor pairs decide the thresholds, and their effect on the TAR is known to first order "
        "only."
    ),
    "IJB: TAR": ("few genuine pairs are refused, and each person has six pairs."),
    "Welch": "the degrees of freedom are estimated from a few values, and then are mostly too few.",
    "Holm": (
        "the correction keeps the rate at 5 % or below, and tests that have the baseline in common reject "
        "together."
    ),
    "groups: differences": (
        "the groups are dealt out 199 times here, and errors are whole, so that values of p are few."
    ),
    "groups:": (
        "where the rates are equal, the interval contains the true value, which is the least possible, too "
        "often. Where one of many groups differs and each has about ten errors, noise between the others "
        "adds to the measured differences, and it does so too seldom."
    ),
    "IJB: McNemar": (
        "the test treats the thresholds as fixed, and they rest on thirty impostor pairs. Use the "
        "identity-aware test."
    ),
}


@dataclass(frozen=True)
class Row:
    """Held share of a nominal 95 % interval, or rejections by a 5 % test, in one setting.

    `level` is the accuracy or rate, `effect` the share of the variance that comes from people, `size` what
    stands in parentheses beside the share.
    """

    what: str
    group: str
    level: float
    effect: float
    test: bool
    share: float
    replicates: int
    size: float | None = None

    @property
    def error(self) -> float:
        """Standard error of the share, with two of each kind added: 0 of n is not exactly none."""
        share = (self.share * self.replicates + 2) / (self.replicates + 4)
        return float((share * (1 - share) / self.replicates) ** 0.5)

    @property
    def missed(self) -> float:
        """How far outside the target, at least 0."""
        low, high = TESTS if self.test else INTERVALS
        return max(low - self.share, self.share - high, 0.0)

    def cell(self) -> str:
        mark = "" if not self.missed else "*" if self.missed <= 2 * self.error else "**"
        size = "" if self.size is None else f" ({self.size:.2f})"
        return f"{mark}{100 * self.share:.1f}{mark}{size}"

    def line(self) -> str:
        """For the terminal."""
        kind = "rejects" if self.test else "holds"
        where = f"{self.group} {self.level:g}, people {self.effect:g}"
        return f"{self.what} | {where}: {kind} {self.cell()} ± {100 * self.error:.1f} of {self.replicates}"


def page(rows: Sequence[Row], speed: dict[int, tuple[float, float, float]], seconds: float, seed: int) -> str:
    """The whole page in Markdown."""
    groups = list(dict.fromkeys(row.group for row in rows))
    parts = [HEAD, _made(seconds, seed)]
    parts += [_section(group, [row for row in rows if row.group == group]) for group in groups]
    return "\n".join([*parts, _speed(speed)])


def part(head: str, option: str, rows: Sequence[Row], seconds: float, seed: int) -> str:
    """The part of the page that begins with `head`, and is made alone with `option`."""
    groups = list(dict.fromkeys(row.group for row in rows))
    parts = [_section(group, [row for row in rows if row.group == group]) for group in groups]
    return "\n".join([head, _made(seconds, seed, f"{option} "), *parts])


def with_part(text: str, section: str) -> str:
    """The page `text` with this part, in the place of the one with its title, or before that on speed."""
    title = section.split("\n", 1)[0]
    before, found, rest = text.partition(f"{title}\n")
    end = re.search(r"^# |^## Speed", rest if found else before, re.MULTILINE)
    assert end, "a page ends with a section on speed"
    if found:
        return f"{before}{section}\n{rest[end.start() :]}"
    before, speed, after = text.partition("## Speed")
    return f"{before}{section}\n{speed}{after}"


def _section(group: str, rows: Sequence[Row]) -> str:
    levels = sorted({row.level for row in rows})
    replicates = sorted({row.replicates for row in rows})
    lines = [f"## {group}\n", f"{', '.join(f'{count:,}' for count in replicates)} replicates a setting.\n"]
    lines.append(f"| | nominal | people | {' | '.join(f'{level:g}' for level in levels)} |")
    lines.append("|---" * (3 + len(levels)) + "|")
    kinds = list(dict.fromkeys((row.what, row.test) for row in sorted(rows, key=lambda row: row.test)))
    for what, test in kinds:
        for effect in sorted({row.effect for row in rows}):
            found = {
                row.level: row.cell()
                for row in rows
                if (row.what, row.test, row.effect) == (what, test, effect)
            }
            nominal = "test, 5 %" if test else "interval, 95 %"
            cells = " | ".join(found.get(level, "") for level in levels)
            lines.append(f"| {what} | {nominal} | {effect:g} | {cells} |")
    missed = dict.fromkeys(
        what for what, _ in kinds if any(row.missed > 2 * row.error for row in rows if row.what == what)
    )
    reasons: dict[str, list[str]] = {}
    for what in missed:
        reasons.setdefault(_reason(what), []).append(what)
    if reasons:
        lines.append("")
    lines += [f"- {'; '.join(whats)}: {reason}" for reason, whats in reasons.items()]
    return "\n".join(lines) + "\n"


def _reason(what: str) -> str:
    return next((text for start, text in REASONS.items() if what.startswith(start)), "not explained.")


def _made(seconds: float, seed: int, part: str = "") -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    versions = f"numpy {np.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}"
    return f"""    OMP_NUM_THREADS=1 python benchmarks/coverage.py {part}-o docs/results/coverage.md

Commit {commit or "unknown"}, seeds from {seed} on (one more for each setting),
{seconds / 60:.0f} minutes of one core, {_processor()}, Python {platform.python_version()}, {versions}.
"""


def _processor() -> str:
    try:
        lines = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout.splitlines()
    except OSError:
        lines = []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("Model name")]
    return named[0] if named else platform.processor() or "an unknown processor"


def _speed(speed: dict[int, tuple[float, float, float]]) -> str:
    rows = "\n".join(
        f"| {pairs:,} | {build:.3f} s | {use:.3f} s | {peak:.0f} MiB |"
        for pairs, (build, use, peak) in speed.items()
    )
    return f"""## Speed

    python benchmarks/coverage.py --speed

| pairs | finding shared people | interval and test | peak memory of the process |
|---|---|---|---|
{rows}
"""
