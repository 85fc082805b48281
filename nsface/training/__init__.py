"""Training: from a recipe to a run folder."""

from nsface.training.run import train

__all__ = ["train"]
