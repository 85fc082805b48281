"""What each protocol is called, and how large its official lists are: by that a score may be compared."""

from __future__ import annotations

from collections.abc import Sequence

TITLES = {
    "lfw": "LFW verification",
    "fglfw": "FGLFW: look-alikes",
    "fglfw-like": "FGLFW-like look-alikes",
    "ytf": "YouTube Faces",
    "lfw-identification": "LFW identification",
    "identification": "Identification",
    "blufr": "BLUFR",
    "ijb": "IJB, template 1:1",
    "bin": "InsightFace sets",
    "pairs": "Your own pairs",
    "threshold": "Calibrated threshold",
    "all": "All protocols",
    "classification": "Classification",
}

RENDERED = ", rendered faces"  # the end of the title of what was measured on such

HEADLINES = ("LFW", "Rank-1", "DIR at FAR 1 %", "FGLFW", "YTF")  # figures that papers compare
DIFFERENCES = ("accuracy", "Rank-1", "DIR at FAR 1 %", "TAR at FAR 0.01 %")  # those that are spoken of
TEST_ERROR, BEST_TEST_ERROR = "test error", "best test error"  # of a classification
LOWER_IS_BETTER = (TEST_ERROR, BEST_TEST_ERROR, "ECE", "MCE")  # among the figures of results
CHOSEN_BY_TEST = (
    BEST_TEST_ERROR,
)  # figures too low or too high to be tested: the test data have chosen them

PAIRS = {"lfw": 6000, "fglfw": 6000, "ytf": 5000}

LFW_PEOPLE = 5749
LFW_CLOSED_SET = {"closed gallery": 4249, "closed probes": 3143}
LFW_OPEN_SET = {"genuine probes": 596, "impostors": 9494, "open gallery": 596}
LFW_MULTIPLE_OPEN_GALLERY = 3143  # images in the open gallery, where each subject may have several

BLUFR_TRIALS, BLUFR_GALLERY = 10, 1000


def title_of(protocol: str) -> str:
    """What to call `protocol` in headings: its own name where it is not one of nsface's."""
    return TITLES.get(protocol, protocol)


def headline_differences(names: Sequence[str]) -> list[str]:
    """Of the names of figures that two systems differ in, those that are spoken of; else the first."""
    return [name for name in names if name in DIFFERENCES] or list(names[:1])
