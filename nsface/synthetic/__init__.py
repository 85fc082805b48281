"""Synthetic faces: people who do not exist, drawn from a seed, in the layouts of the public data sets."""

from nsface.synthetic.layouts import LfwSet, YtfSet, write_lfw_set, write_training_set, write_ytf_set
from nsface.synthetic.rendering import Size

__all__ = ["LfwSet", "Size", "YtfSet", "write_lfw_set", "write_training_set", "write_ytf_set"]
