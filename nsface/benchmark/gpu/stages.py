"""The stages, the most valuable first."""

from __future__ import annotations

from nsface.benchmark.gpu.arithmetic import classifier, heads, networks
from nsface.benchmark.gpu.classifiers import million, sizes
from nsface.benchmark.gpu.compiled import compiled_resumed, compiled_waits, equal
from nsface.benchmark.gpu.data import CIFAR, FACES
from nsface.benchmark.gpu.fast import real, rendered
from nsface.benchmark.gpu.frame import Check, Stage
from nsface.benchmark.gpu.runs import extraction, resumed, trainings, waits
from nsface.benchmark.gpu.speed import fastest, grid, losses, peer
from nsface.benchmark.gpu.tables import cifar, lfw

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
        least=60,
    ),
    "compile": Stage(
        (Check(equal, 0.5), Check(compiled_waits, 0.2), Check(compiled_resumed, 0.3)), share=1.5, least=200
    ),
    "speed": Stage(
        (Check(fastest, 0.35), Check(peer, 0.25), Check(losses, 0.3), Check(grid, 0.1)), share=3, least=300
    ),
    "classifier": Stage((Check(million, 0.2), Check(sizes, 0.8)), share=1, least=60),
    "cifar": Stage((Check(cifar, 1, CIFAR),), share=4, least=450),
    "faces": Stage((Check(lfw, 1, FACES),), share=3, least=240),
    "casia-fast": Stage((Check(real, 0.3, FACES), Check(rendered, 0.7)), share=3, least=120),
    "extract": Stage((Check(extraction, 1),), share=0.5, least=20),
}
