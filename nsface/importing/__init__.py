"""Weights that others trained, made into model files: `import_model`."""

from nsface.importing.conversion import Imported, import_model

__all__ = ["Imported", "import_model"]
