"""Results for groups of people: error rates of each at one threshold, and how much they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nsface.checked import Count, Share
from nsface.results.text import WIDTH, columns, interval, p_value, percent, wrapped
from nsface.results.values import Interval, Number, exact, left_out

TEST = "permutation of the groups over people"


@dataclass(frozen=True, kw_only=True)
class GroupRate:
    """An error rate of one group, or of pairs across two.

    Attributes:
        groups: the name of the group; of two for pairs across them.
        rate: the share of errors; None without trials.
        interval: 95 %, Wilson's, by people; None without trials, or where all show one person.
        errors, trials: how many trials (pairs or probes), and how many of them are errors.
        people: who are in these trials.
        too_small: why the group is left out of the summaries and the test; None where it is not.
    """

    groups: tuple[str, ...]
    rate: Share | None
    interval: Interval | None
    errors: Count
    trials: Count
    people: Count
    too_small: str | None = left_out()

    @property
    def name(self) -> str:
        """`women`, or `women × men`."""
        return " × ".join(self.groups)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One number for how much a rate differs between groups.

    Attributes:
        value: None where it is not defined.
        interval: 95 %, with variances by people; None where a group has no errors.
        undefined: why there is no value, or no interval.
    """

    value: Number | None = None
    interval: Interval | None = None
    undefined: str | None = left_out()

    def text(self) -> str:
        """`1.20 (1.00 – 1.52)`, or a dash."""
        ends = f" ({self.interval[0]:.2f} – {self.interval[1]:.2f})" if self.interval else ""
        return "–" if self.value is None else f"{self.value:.2f}{ends}"


@dataclass(frozen=True, kw_only=True)
class RateByGroup:
    """An error rate by group.

    Attributes:
        name: `FMR` and `FNMR` of verification; `FPIR` and `FNIR` of identification.
        groups: each group, in the order of their names.
        across: of FMR, the pairs of people of two groups, where there are some; in no summary.
        max_over_geometric_mean, max_over_min, gini: over the groups that are not too small.
        p_value: of the test whether these groups differ by chance; None where there is nothing to test.
    """

    name: str
    groups: tuple[GroupRate, ...]
    across: tuple[GroupRate, ...] = ()
    max_over_geometric_mean: Summary
    max_over_min: Summary
    gini: Summary
    p_value: Share | None

    def compared(self) -> list[str]:
        """The names of the groups in the summaries."""
        return [one.name for one in self.groups if one.too_small is None]

    def summary(self) -> str:
        """The summaries and the test in one line."""
        ratios = (
            f"max / geometric mean {self.max_over_geometric_mean.text()}",
            f"max / min {self.max_over_min.text()}",
        )
        return f"{self.name}: {', '.join(ratios)}, Gini {self.gini.text()}, p = {p_value(self.p_value)}"

    def remarks(self) -> Iterator[str]:
        """What was left out and what is not defined, a sentence each."""
        for one in self.groups:
            if one.too_small:
                yield f"{self.name} of {one.name} is in no summary: {one.too_small}"
        for reason in dict.fromkeys(
            one.undefined for one in (self.max_over_geometric_mean, self.max_over_min, self.gini)
        ):
            if reason:
                yield f"{self.name}: {reason}"


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """What one column of groups says.

    Attributes:
        name: of the column.
        people: of the list, in some group.
        unlabelled: people of the list who are in no group.
        rates: FMR and FNMR, or FPIR and FNIR.
        garbe: α Gini(FMR) + (1 − α) Gini(FNMR), with FPIR and FNIR for identification.
    """

    name: str
    people: Count
    unlabelled: Count
    rates: tuple[RateByGroup, ...]
    garbe: Summary


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Error rates of groups of people at one threshold, which is the same for all.

    Attributes:
        file: that says who is in which group.
        threshold: two images count as one person where score ≥ threshold.
        threshold_source: where it comes from.
        garbe_alpha: the weight α of FMR (or FPIR) in GARBE.
        not_in_list: people of the file who are not in the list.
        attributes: each column of groups.
    """

    file: str
    threshold: Number = exact()
    threshold_source: str
    garbe_alpha: Share
    not_in_list: Count
    attributes: tuple[Attribute, ...]

    def table(self, width: int = WIDTH) -> str:
        """Lines for the table of the result."""
        head = f"groups of {self.file}, all at threshold {self.threshold:.4f}, {self.threshold_source}"
        parts = [wrapped(head, width)]
        for one in self.attributes:
            parts.append(
                wrapped(f"  {one.name}: {one.people} people, {one.unlabelled} more in no group", width)
            )
            parts += [columns(_rows(rate), "    ", width) for rate in one.rates]
            lines = [rate.summary() for rate in one.rates]
            lines.append(f"GARBE, α = {self.garbe_alpha:g}: {one.garbe.text()}")
            lines += self.remarks(one)
            parts += [wrapped(f"    {line}", width, 6) for line in lines]
        parts.append(wrapped(f"  in brackets the 95 % interval; p by {TEST}", width))
        return "\n".join(parts)

    def remarks(self, attribute: Attribute) -> list[str]:
        """What was left out of the summaries of an attribute, and what is not defined."""
        found = [line for rate in attribute.rates for line in rate.remarks()]
        return [*found, f"GARBE: {attribute.garbe.undefined}"] if attribute.garbe.undefined else found


def _rows(rate: RateByGroup) -> list[tuple[str, ...]]:
    unit = "pairs" if rate.name in ("FMR", "FNMR") else "probes"
    rows: list[tuple[str, ...]] = [(rate.name, "rate", "95 % interval", "errors", unit, "people")]
    for one in (*rate.groups, *rate.across):
        counts = (str(one.errors), str(one.trials), str(one.people))
        name = f"{one.name} (too small)" if one.too_small else one.name
        rows.append((name, percent(one.rate, 3), interval(one.interval, 3), *counts))
    return rows
