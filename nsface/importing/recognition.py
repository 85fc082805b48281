"""Which network a file's tensors are the weights of, told from their names and shapes alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nsface.errors import ModelError, listing
from nsface.networks import NETWORKS, build
from nsface.networks.embedding import GlobalAverage
from nsface.networks.sizes import REDUCTION
from nsface.weightless import weightless

# Images that give a last map of so many cells; others of the same number of cells need to be named.
SIZES = {7 * 6: (112, 96), 7 * 7: (112, 112), 14 * 14: (224, 224)}
COUNTER = "num_batches_tracked"  # of batch normalisation, for training alone
_MOST_PLACES = 100
_ALIKE = 0.5  # share of names from which on the nearest network is named
_TO_SHOW = 3


@dataclass(frozen=True)
class Recognised:
    """What a file's tensors are.

    Attributes:
        network: a key of `NETWORKS`.
        embedding_size: D.
        size: height and width of the images, or None where the tensors do not tell it.
        weights: the network's weights by its own names, without counters of batches.
        left_out: names of the tensors that are not of this network, in order.
    """

    network: str
    embedding_size: int
    size: tuple[int, int] | None
    weights: dict[str, Tensor]
    left_out: list[str]


@dataclass(frozen=True)
class _Match:
    """The tensors whose names begin with `prefix`, held against the names of a network's weights."""

    network: str
    plan: nn.Module
    prefix: str
    missing: list[str]
    surplus: list[str]
    share: float  # of the names on either side, those on both

    @property
    def exact(self) -> bool:
        return not self.missing and not self.surplus


def recognise(tensors: Mapping[str, Tensor], where: str, network: str | None = None) -> Recognised:
    """The network that `tensors` belong to; the network may lie anywhere in the file.

    Args:
        tensors: as `read_tensors` gives them.
        where: the file, for messages.
        network: a key of `NETWORKS`, to compare with this one alone.

    Raises:
        ModelError: no network has these weights, or several parts of the file are a network.
    """
    plans = {name: _plans(name) for name in ([network] if network else NETWORKS)}
    matches = [
        match
        for name, of_name in plans.items()
        for plan in of_name
        for match in _matches(name, plan, tensors, where)
    ]
    exact = [match for match in matches if match.exact]
    if not exact:
        raise ModelError(
            _why_unknown(tensors, max(matches, key=lambda match: match.share, default=None), where)
        )
    if len({match.prefix for match in exact}) > 1:
        places = listing(sorted(match.prefix.rstrip(".") or "the file itself" for match in exact), _TO_SHOW)
        raise ModelError(f"{where}: several networks are in it ({places}); save the state dict of one")
    return _recognised(exact[0], tensors)


def _recognised(match: _Match, tensors: Mapping[str, Tensor]) -> Recognised:
    own = match.plan.state_dict()
    weights = {name: tensors[match.prefix + name] for name in own if match.prefix + name in tensors}
    used = {match.prefix + name for name in weights}
    embedding_size, size = _sizes(match.plan, own, weights)
    return Recognised(
        network=match.network,
        embedding_size=embedding_size,
        size=size,
        weights={name: tensor for name, tensor in weights.items() if not name.endswith(COUNTER)},
        left_out=[name for name in tensors if name not in used],
    )


def _sizes(
    plan: nn.Module, own: Mapping[str, Tensor], weights: Mapping[str, Tensor]
) -> tuple[int, tuple[int, int] | None]:
    """Embedding size, or 0, and the size of the images, or None, that the linear layers tell."""
    linear = [name for name, tensor in own.items() if tensor.ndim == 2]
    averages = [module.features for module in plan.modules() if isinstance(module, GlobalAverage)]
    if not linear:  # the mean over the map is the embedding
        return averages[-1], None
    first, last = weights[linear[0]], weights[linear[-1]]
    # a network of maxima has several rows for each number of the embedding
    embedding_size = last.shape[0] // own[linear[-1]].shape[0] if last.ndim else 0
    cells = first.shape[1] / own[linear[0]].shape[1] if first.ndim == 2 and not averages else 0
    return embedding_size, SIZES.get(int(cells)) if cells == int(cells) else None


def _plans(name: str) -> list[nn.Module]:
    """The network for images so small that its last map has one cell.

    With it the one without a linear layer where the mean over the map may be the embedding.
    """
    with weightless():
        plan = build(name, height=REDUCTION, width=REDUCTION, embedding_size=1)
        features = [module.features for module in plan.modules() if isinstance(module, GlobalAverage)]
        sizes = {"height": REDUCTION, "width": REDUCTION}
        return [plan, *(build(name, **sizes, embedding_size=number) for number in features)]


def _matches(name: str, plan: nn.Module, tensors: Mapping[str, Tensor], where: str) -> list[_Match]:
    """How the names of the network `name` fit each part of the file in which its first weight is."""
    expected = plan.state_dict().keys()
    needed = {key for key in expected if not key.endswith(COUNTER)}
    found = []
    for prefix in _prefixes(next(iter(expected)), tensors, where):
        given = {key.removeprefix(prefix) for key in tensors if key.startswith(prefix)}
        missing, surplus = needed - given, given - expected
        share = len(needed & given) / len(needed | surplus)
        found.append(_Match(name, plan, prefix, sorted(missing), sorted(surplus), share))
    return found


def _prefixes(first: str, names: Iterable[str], where: str) -> list[str]:
    """What stands before the outermost names that end in `first`, such as `state_dict.model.`."""
    found: list[str] = []
    ends = sorted((n for n in names if n == first or n.endswith("." + first)), key=len)
    for prefix in (name[: -len(first)] for name in ends):
        if not any(prefix.startswith(outer) for outer in found):
            found.append(prefix)
        if len(found) > _MOST_PLACES:
            raise ModelError(f"{where}: {first} is in more than {_MOST_PLACES} places; save one state dict")
    return found


def _why_unknown(names: Collection[str], nearest: _Match | None, where: str) -> str:
    if any(".se_block." in name for name in names):
        return (
            f"{where}: an IR network with squeeze-and-excitation (ir_se), which nsface does not have; export "
            "it to ONNX"
        )
    unknown = f"{where}: not the weights of a network that nsface has"
    if nearest is None or nearest.share < _ALIKE:
        return f"{unknown} (it holds {listing(sorted(names), _TO_SHOW)}); export it to ONNX"
    problems = []
    if nearest.missing:
        problems.append(f"without {listing(nearest.missing, _TO_SHOW)}")
    if nearest.surplus:
        problems.append(f"with {listing(nearest.surplus, _TO_SHOW)}, which it does not have")
    if nearest.missing and nearest.surplus:
        remedy = "export it to ONNX"
    elif nearest.missing:
        remedy = "the file is damaged, or was saved in part"
    else:
        remedy = "save the state dict of the backbone alone"
    return f"{unknown}: most like {nearest.network}, but {' and '.join(problems)}; {remedy}"


def is_number(tensor: Tensor) -> bool:
    """Whether `tensor` holds plain floating-point numbers in memory: no quantised, sparse or empty shell."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    return plain and tensor.is_floating_point()
