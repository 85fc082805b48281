"""Training objectives: one file each, one line here."""

from nsface.heads.base import Head, HeadOutput, Target
from nsface.heads.noisy_softmax import NoisySoftmax
from nsface.heads.softmax import Softmax

HEADS: dict[str, type[Head]] = {
    "softmax": Softmax,
    "noisy-softmax": NoisySoftmax,
}

__all__ = ["HEADS", "Head", "HeadOutput", "NoisySoftmax", "Softmax", "Target"]
