"""Embeddings: the file they live in, and (with torch) their extraction from images."""

from nsface.embeddings.file import Embeddings, load, save

__all__ = ["Embeddings", "load", "save"]
