"""The published rows."""

from __future__ import annotations

from nsface.report.published import MEASURED_BY, PUBLISHED
from nsface.results.official import HEADLINES


def test_rows_fit_the_columns() -> None:
    assert list(MEASURED_BY) == list(HEADLINES)
    assert all(len(row.figures) == len(HEADLINES) for row in PUBLISHED)
    assert all(0 < f <= 100 for row in PUBLISHED for f in row.figures if f is not None)
    noisy = next(row for row in PUBLISHED if "0.1" in row.system)
    assert dict(zip(HEADLINES, noisy.figures, strict=True)) == {
        "LFW": 99.18, "Rank-1": 92.68, "DIR at FAR 1 %": 78.43, "FGLFW": 94.50, "YTF": 94.88,
    }  # fmt: skip
