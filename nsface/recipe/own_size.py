"""The length of the embeddings of networks that have one of their own, known without torch."""

from __future__ import annotations

from typing import Any

# The length in the paper, and the `channels` there, where the last map is the embedding and grows with them;
# None where the length is a choice of the paper's.
OWN_SIZES: dict[str, tuple[int, int | None]] = {
    "all-cnn-c": (192, 96),
    "lightened-cnn": (256, None),
    "maxout": (500, None),
    "nin": (192, 192),
    "resnet-18": (512, 64),
    "resnet-32": (64, 16),
    "resnet-110": (64, 16),
    "vgg-16": (512, 64),
}


def own_size(name: Any, channels: Any = None) -> int | None:
    """The `embedding_size` that the network `name` has where a recipe states none; None: it has none.

    Args:
        name: of the network; it, and `channels`, may be anything that stands in a recipe.
        channels: its argument of that name, where it is given.

    Example:
        >>> own_size("nin"), own_size("nin", 96), own_size("maxout", 96), own_size("sphereface-20")
        (192, 96, 500, None)
    """
    if not isinstance(name, str) or name not in OWN_SIZES:
        return None
    size, published = OWN_SIZES[name]
    if published is None or type(channels) is not int or not 1 <= channels <= 1 << 12:
        return size  # a wrong number of channels is refused where the network is made
    return size * channels // published
