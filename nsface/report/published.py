"""Published figures on faces, to stand beside one's own that were measured on the official lists."""

from __future__ import annotations

from dataclasses import dataclass

from nsface.results.official import HEADLINES

# The protocol that measures each of the figures that papers compare.
MEASURED_BY = dict(
    zip(HEADLINES, ("lfw", "lfw-identification", "lfw-identification", "fglfw", "ytf"), strict=True)
)


@dataclass(frozen=True)
class Published:
    """A published row, per cent; None where no figure is known.

    Attributes:
        system: name and training data, as published.
        figures: one for each of `HEADLINES`.
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
