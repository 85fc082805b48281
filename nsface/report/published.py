"""Published figures on faces, to stand beside one's own, and the sizes of the official lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

COLUMNS = ("LFW", "Rank-1", "DIR at FAR 1 %", "FGLFW", "YTF")


@dataclass(frozen=True)
class Published:
    """A published row, per cent; None where no figure is known.

    Attributes:
        system: name and training data, as published.
        figures: one for each of `COLUMNS`.
    """

    system: str
    figures: tuple[float | None, ...]


# As collected by Chen, Deng and Du (CVPR 2017, https://arxiv.org/abs/1708.03769), tables on faces.
PUBLISHED = (
    Published("FaceNet, 200 M images", (99.65, None, None, None, 95.18)),
    Published("DeepID2+, one network", (98.7, None, None, None, 91.90)),
    Published("DeepID2+, 25 networks", (99.47, 95.00, 80.70, None, 93.20)),
    Published("Sparse ConvNet", (99.30, None, None, None, 92.70)),
    Published("VGG Face, 2.6 M images", (97.27, 74.10, 52.01, 88.13, 92.80)),
    Published("WebFace", (97.73, None, None, None, 90.60)),
    Published("Robust FR", (98.43, None, None, None, None)),
    Published("Lightened CNN", (98.13, 89.21, 69.46, 91.22, 91.60)),
    Published("Softmax, WebFace+", (98.83, 91.68, 69.51, 92.95, 94.22)),
    Published("Noisy Softmax, α² = 0.1, WebFace+", (99.18, 92.68, 78.43, 94.50, 94.88)),
    Published("Noisy Softmax, α² = 0.05, WebFace+", (99.02, 92.24, 75.67, 94.02, 94.51)),
)

PAIRS = {"lfw": 6000, "fglfw": 6000, "ytf": 5000}
CLOSED, OPEN = (4249, 3143), (596, 596, 9494)


def figures(result: dict[str, Any]) -> dict[str, tuple[float, float | None, bool]]:
    """What `result` (the JSON of an `eval-*`) says under `COLUMNS`.

    Returns:
        By column: the figure and its standard error (or deviation over trials) in [0, 1], None where it has
        none, and whether the lists have the official size: without that it is another test.
    """
    protocol = str(result["protocol"])
    name = protocol.removesuffix("-like")
    if name in PAIRS and result.get("accuracy") is not None:
        official = protocol == name and result["pairs"] == PAIRS[name]
        return {name.upper(): (result["accuracy"], result["standard_error"], official)}
    if name != "lfw-identification":
        return {}
    found: dict[str, tuple[float, float | None, bool]] = {}
    if closed := result.get("closed_set"):
        official = (closed["gallery"], closed["probes"]) == CLOSED
        if "1" in closed["rank"]:
            found["Rank-1"] = (closed["rank"]["1"], closed.get("rank_std", {}).get("1"), official)
    if opened := result.get("open_set"):
        official = (opened["gallery"], opened["genuine"], opened["impostors"]) == OPEN
        for point in opened["dir"]:
            if point["far"] == 0.01:
                found["DIR at FAR 1 %"] = (point["dir"], point.get("std"), official)
    return found
