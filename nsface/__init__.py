"""nsface: face-recognition networks trained with Noisy Softmax, and the protocols that score them.

What a program needs first is here: models that embed images (`load_model`), evaluation (`nsface.evaluate`),
training objectives for any PyTorch loop (`NoisySoftmax` and the other heads), sources of images
(`open_source`), embeddings files (`load_embeddings`), and training (`load_recipe`, `train`). Importing nsface
imports nothing else: each name is looked up when it is first used.

More is in these modules:

* `nsface.evaluate`, `nsface.results`: protocols as functions, and what they return;
* `nsface.metrics`: accuracy, ROC, identification, intervals and paired tests, on arrays;
* `nsface.heads`, `nsface.auxiliary`, `nsface.networks`: objectives, added losses, backbones;
* `nsface.embeddings`, `nsface.images.sources`: the embeddings file, and what images are read from;
* `nsface.protocols`: how lists are read and trials are scored; `nsface.recipe`: recipes;
* `nsface.errors`: what wrong input raises.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nsface import evaluate
    from nsface.embeddings.extraction import extract
    from nsface.embeddings.file import Embeddings
    from nsface.embeddings.file import load as load_embeddings
    from nsface.embeddings.file import save as save_embeddings
    from nsface.embeddings.model import Model, load_model
    from nsface.errors import DoubtfulResult, NsfaceError
    from nsface.heads import (
        AdaFace,
        ArcFace,
        CombinedMargin,
        CosFace,
        CurricularFace,
        DisturbLabel,
        GradientDecay,
        LabelSmoothing,
        LSoftmax,
        MagFace,
        NoisySoftmax,
        NormFace,
        Softmax,
        SphereFace,
    )
    from nsface.images.sources import open_source
    from nsface.importing import import_model
    from nsface.recipe.schema import load_recipe
    from nsface.training.run import train

__version__ = "0.4.0"

__all__ = [
    "AdaFace",
    "ArcFace",
    "CombinedMargin",
    "CosFace",
    "CurricularFace",
    "DisturbLabel",
    "DoubtfulResult",
    "Embeddings",
    "GradientDecay",
    "LSoftmax",
    "LabelSmoothing",
    "MagFace",
    "Model",
    "NoisySoftmax",
    "NormFace",
    "NsfaceError",
    "Softmax",
    "SphereFace",
    "__version__",
    "evaluate",
    "extract",
    "import_model",
    "load_embeddings",
    "load_model",
    "load_recipe",
    "open_source",
    "save_embeddings",
    "train",
]

# Where each name is, and what it is called there if that differs; all others are heads, and every class in
# `nsface.heads.HEADS` is found, whether or not its name is written above for editors.
_PLACES = {
    "DoubtfulResult": ("nsface.errors", ""),
    "Embeddings": ("nsface.embeddings.file", ""),
    "Model": ("nsface.embeddings.model", ""),
    "NsfaceError": ("nsface.errors", ""),
    "extract": ("nsface.embeddings.extraction", ""),
    "import_model": ("nsface.importing", ""),
    "load_embeddings": ("nsface.embeddings.file", "load"),
    "load_model": ("nsface.embeddings.model", ""),
    "load_recipe": ("nsface.recipe.schema", ""),
    "open_source": ("nsface.images.sources", ""),
    "save_embeddings": ("nsface.embeddings.file", "save"),
    "train": ("nsface.training.run", ""),
}


def __getattr__(name: str) -> Any:
    if name == "evaluate":
        return import_module("nsface.evaluate")
    if name in _PLACES:
        module, original = _PLACES[name]
        found = getattr(import_module(module), original or name)
    elif (head := _head(name)) is not None:
        found = head
    else:
        raise AttributeError(f"module 'nsface' has no attribute '{name}'")
    globals()[name] = found
    return found


def _head(name: str) -> Any:
    """The head whose class is called `name`; None where there is none."""
    if not name[:1].isupper():  # no class: nothing heavy is imported to look for it
        return None
    heads = import_module("nsface.heads").HEADS.values()
    return next((head for head in heads if head.__name__ == name), None)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
