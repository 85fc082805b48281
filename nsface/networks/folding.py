"""Batch normalisation folded into the layer before it, for networks that are only used and not trained.

In eval mode batch normalisation is y = γ (x − μ) / √(σ² + ε) + β with constants, so that the convolution or
linear layer that makes x can make y instead: its weights are multiplied by γ / √(σ² + ε) and its bias changed
to match. Batch normalisation that comes before a padded convolution, as in the blocks of an iResNet, stays:
the zeros of the padding are not normalised, so that no weights give the same at the borders.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch import fx, nn

from nsface.networks.embedding import GlobalAverage

_LAYERS = (nn.Conv2d, nn.Linear)
_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d)


def fold_batch_norms(network: nn.Module) -> int:
    """Fold, in place, every batch normalisation of `network` that follows a convolution or a linear layer.

    The outputs stay the same up to rounding.

    Args:
        network: in eval mode; it cannot be trained afterwards.

    Returns:
        How many were folded. A layer is left alone that is called more than once, or whose output is also
        used in another way, and so is a network that `torch.fx` cannot trace.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).eval()
        >>> fold_batch_norms(network)
        1
        >>> network[1]
        Identity()
    """
    try:
        graph = _Tracer().trace(network)
    except Exception:  # a network may do anything, and folding changes only its speed
        return 0
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    modules = dict(network.named_modules())
    folded = 0
    for node in graph.nodes:
        norm = modules.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, _NORMALISATIONS) or norm.running_var is None:
            continue
        source = node.args[0]
        layer = modules.get(str(source.target)) if source.op == "call_module" else None
        alone = len(source.users) == 1 and calls[node.target] == calls[source.target] == 1
        if isinstance(layer, _LAYERS) and alone:
            _fold(layer, norm)
            network.set_submodule(str(node.target), nn.Identity())
            folded += 1
    return folded


class _Tracer(fx.Tracer):
    """Looks into all modules but those that a backbone may have subclasses of, which may do anything.

    Nor into the mean over the map, which asks for the device of its input.
    """

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*_LAYERS, nn.PReLU, GlobalAverage)) or super().is_leaf_module(
            m, module_qualified_name
        )


@torch.no_grad()
def _fold(layer: nn.Conv2d | nn.Linear, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale *= norm.weight
    bias = -norm.running_mean * scale
    if layer.bias is not None:
        bias += layer.bias * scale
    if norm.bias is not None:
        bias += norm.bias
    weight = layer.weight
    weight *= scale.to(weight.dtype).reshape(-1, *[1] * (weight.dim() - 1))
    layer.bias = nn.Parameter(bias.to(weight.dtype), requires_grad=weight.requires_grad)
