"""Alignment of faces: five points, found or given, are moved to a template by a similarity transform."""

from __future__ import annotations

from nsface.images.alignment.landmarks import Landmarks, read_landmarks
from nsface.images.alignment.similarity import umeyama, warp
from nsface.images.alignment.templates import Template, template

__all__ = ["Landmarks", "Template", "read_landmarks", "template", "umeyama", "warp"]
