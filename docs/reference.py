"""Build the reference of the public modules from their docstrings: `make docs`, with the extra `docs`."""

from __future__ import annotations

from pathlib import Path

from nsface.results import RESULTS

# Of a package without __all__ the modules in it are public too.
MODULES = (
    "nsface",
    "nsface.auxiliary",
    "nsface.embeddings",
    "nsface.errors",
    "nsface.heads",
    "nsface.images.sources",
    "nsface.metrics",
    "nsface.networks",
    "nsface.protocols",
    "nsface.recipe",
    "nsface.results",
    "nsface.results.comparison",
    "nsface.results.curves",
    *sorted({cls.__module__ for cls in RESULTS}),
)


class AsWritten(str):
    """An annotation that is shown as it stands in the source."""

    __repr__ = str.__str__


def build(folder: Path) -> None:
    """Write the pages into `folder`; `index.html` leads to the first."""
    import pdoc
    import torch

    # Annotations as they stand in the source: written out, NumPy's ArrayLike alone is several lines long.
    pdoc.doc.safe_eval_type = pdoc.doc_types.safe_eval_type = lambda annotation, *_: (
        AsWritten(annotation) if isinstance(annotation, str) else annotation
    )
    torch.nn.Module.__init__.__doc__ = None  # else every head and network repeats it
    google = pdoc.docstrings.google
    pdoc.docstrings.google = lambda text: google(text.replace("  # doctest: +SKIP", ""))
    pdoc.render.configure(docformat="google", show_source=False)
    pdoc.pdoc(*MODULES, output_directory=folder)


if __name__ == "__main__":
    build(Path(__file__).resolve().parents[1] / "build" / "docs")
