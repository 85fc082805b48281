"""Training objectives, one file each. A recipe names them by the keys of `HEADS`."""

from nsface.heads.adaface import AdaFace
from nsface.heads.arcface import ArcFace
from nsface.heads.base import Head, HeadOutput, Target
from nsface.heads.combined_margin import CombinedMargin
from nsface.heads.cosface import CosFace
from nsface.heads.curricularface import CurricularFace
from nsface.heads.disturb_label import DisturbLabel
from nsface.heads.gradient_decay import GradientDecay
from nsface.heads.l_softmax import LSoftmax
from nsface.heads.label_smoothing import LabelSmoothing
from nsface.heads.magface import MagFace
from nsface.heads.noisy_softmax import NoisySoftmax
from nsface.heads.normalised import NormalisedHead
from nsface.heads.normface import NormFace
from nsface.heads.softmax import Softmax
from nsface.heads.sphereface import SphereFace

HEADS: dict[str, type[Head]] = {
    "softmax": Softmax,
    "noisy-softmax": NoisySoftmax,
    "gradient-decay": GradientDecay,
    "label-smoothing": LabelSmoothing,
    "disturb-label": DisturbLabel,
    "l-softmax": LSoftmax,
    "sphereface": SphereFace,
    "normface": NormFace,
    "cosface": CosFace,
    "arcface": ArcFace,
    "combined-margin": CombinedMargin,
    "adaface": AdaFace,
    "curricularface": CurricularFace,
    "magface": MagFace,
}

__all__ = [
    "HEADS",
    "AdaFace",
    "ArcFace",
    "CombinedMargin",
    "CosFace",
    "CurricularFace",
    "DisturbLabel",
    "GradientDecay",
    "Head",
    "HeadOutput",
    "LSoftmax",
    "LabelSmoothing",
    "MagFace",
    "NoisySoftmax",
    "NormFace",
    "NormalisedHead",
    "Softmax",
    "SphereFace",
    "Target",
]
