"""Faces moved to a template: five points found or given, a similarity transform, a warp."""

from __future__ import annotations

from nsface.images.alignment.landmarks import Landmarks, read_landmarks
from nsface.images.alignment.similarity import umeyama, warp
from nsface.images.alignment.templates import Template, template

__all__ = ["Landmarks", "Template", "read_landmarks", "template", "umeyama", "warp"]
