"""Training: from a recipe to a run folder with a model in it."""

from nsface.training.run import train

__all__ = ["train"]
