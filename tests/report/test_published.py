"""What stands under the columns of the published table, and when it may be compared with it."""

from __future__ import annotations

from nsface.report.published import COLUMNS, PUBLISHED, figures

LFW = {"protocol": "lfw", "pairs": 6000, "accuracy": 0.9, "standard_error": 0.01}
IDENT = {
    "protocol": "lfw-identification",
    "closed_set": {"gallery": 4249, "probes": 3143, "rank": {"1": 0.5, "5": 0.6}},
    "open_set": {
        "gallery": 596,
        "genuine": 596,
        "impostors": 9494,
        "dir": [{"far": 0.1, "dir": 0.4}, {"far": 0.01, "dir": 0.3, "std": 0.02}],
    },
}


def test_official_lists() -> None:
    assert figures(LFW) == {"LFW": (0.9, 0.01, True)}
    assert figures(IDENT) == {"Rank-1": (0.5, None, True), "DIR at FAR 1 %": (0.3, 0.02, True)}


def test_other_lists_are_marked() -> None:
    assert figures(LFW | {"pairs": 1000}) == {"LFW": (0.9, 0.01, False)}
    assert figures(LFW | {"protocol": "fglfw-like"}) == {"FGLFW": (0.9, 0.01, False)}
    multi = IDENT | {"open_set": IDENT["open_set"] | {"gallery": 3143}}  # type: ignore[operator]
    assert figures(multi)["DIR at FAR 1 %"][2] is False


def test_what_is_not_in_the_table() -> None:
    assert figures(LFW | {"accuracy": None}) == {}
    assert figures({"protocol": "bin", "sets": []}) == {}


def test_rows_fit_the_columns() -> None:
    assert all(len(row.figures) == len(COLUMNS) for row in PUBLISHED)
    assert all(0 < f <= 100 for row in PUBLISHED for f in row.figures if f is not None)
    noisy = next(row for row in PUBLISHED if "0.1" in row.system)
    assert dict(zip(COLUMNS, noisy.figures, strict=True)) == {
        "LFW": 99.18, "Rank-1": 92.68, "DIR at FAR 1 %": 78.43, "FGLFW": 94.50, "YTF": 94.88,
    }  # fmt: skip
