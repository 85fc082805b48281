"""The stages, the most valuable first."""

from __future__ import annotations

from nsface.benchmark.gpu.arithmetic import classifier, heads, networks
from nsface.benchmark.gpu.classifiers import million, sizes
from nsface.benchmark.gpu.frame import Check, Stage
from nsface.benchmark.gpu.runs import extraction, resumed, trainings, waits
from nsface.benchmark.gpu.speed import fastest, grid, losses, peer

# A further stage is an entry here; its checks are functions of a place and of what they fill.
STAGES = {
    "check": Stage(
        (
            Check(networks, 0.3),
            Check(heads, 0.1),
            Check(waits, 0.2),
            Check(trainings, 0.15),
            Check(resumed, 0.1),
            Check(classifier, 0.15),
        ),
        share=1.5,
    ),
    "speed": Stage((Check(fastest, 0.15), Check(peer, 0.25), Check(losses, 0.2), Check(grid, 0.4)), share=3),
    "classifier": Stage((Check(million, 0.2), Check(sizes, 0.8)), share=1),
    "extract": Stage((Check(extraction, 1),), share=0.5),
}
