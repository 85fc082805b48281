"""The model that a run begins with: its network's weights, and the class weights of the run that made it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nsface.errors import ModelError, RecipeError, shown
from nsface.files import digest
from nsface.heads import Head
from nsface.model import Description, read_model
from nsface.networks import COMMON_ARGUMENTS, NETWORKS
from nsface.recipe.finetuning import Init
from nsface.recipe.schema import Recipe
from nsface.recipe.text import dotted
from nsface.run_folder import RunFolder
from nsface.training.checkpoint import load_checkpoint
from nsface.training.state import AVERAGE

IDENTITIES = "identities"  # the key of a checkpoint with the names of the identities, in the order of labels


class InitialModel:
    """The model file that `init` names, read.

    Args:
        init: its path and digest.
        recipe: of the run that begins with it.

    Raises:
        ModelError: it cannot be read, or is no model file.
        RecipeError: it is not the file of that digest, or has another network or input than the recipe.
    """

    def __init__(self, init: Init, recipe: Recipe) -> None:
        network, description = read_model(init.model)
        where = shown(init.model)
        if digest(init.model) != init.digest:
            raise RecipeError(
                f"init: {where} is not the file whose digest the recipe gives; put that file back, or give "
                "the path alone"
            )
        check_agreement(recipe, description, where)
        self.init = init
        self.weights: dict[str, Tensor] = network.state_dict()

    def copy_into(
        self, network: nn.Module, head: Head, identities: Sequence[str], note: Callable[[str], object] | None
    ) -> dict[str, Any]:
        """Give `network` the weights of the model, and `head` the class weights of identities it knows.

        Class weights come from the checkpoint beside the model, if it is of the same step. Identities of the
        same name keep theirs; all others keep the fresh ones.

        Args:
            network, head: of the run that begins.
            identities: the names of its identities, in the order of their labels.
            note: called with a line about what was copied.

        Returns:
            What environment.json records of it.
        """
        network.load_state_dict(self.weights)
        file = RunFolder(Path(self.init.model).parent).latest_checkpoint
        copied, reason = 0, f"{shown(file)} has none of these identities"
        try:
            copied = copy_class_weights(head, identities, *self._class_weights(file))
        except ModelError as error:
            reason = str(error)
        new = len(identities) - copied
        if note is not None:
            what = f"all {new:,} class weights are new: {reason}"
            if copied:
                what = f"class weights of the same identities in {shown(file)}: {copied:,} of "
                what += f"{len(identities):,}; new ones: {new:,}"
            note(f"the network begins with {shown(self.init.model)}; {what}")
        counts = {"class_weights_copied": copied, "class_weights_new": new}
        source = {"class_weights_from": str(file)} if copied else {}
        return self.init.model_dump() | counts | source

    def _class_weights(self, file: Path) -> tuple[dict[str, Tensor], list[str]]:
        """The head's state in the checkpoint, and the names of the identities of its rows.

        Raises:
            ModelError: there is no checkpoint, it is not that of the model, or it does not name identities.
        """
        if not file.exists():
            raise ModelError(f"no {shown(file)} lies beside the model")
        state = load_checkpoint(file, torch.device("cpu"))
        names = state.get(IDENTITIES)
        if not isinstance(names, list):
            raise ModelError(f"{shown(file)} does not name its identities: an earlier nsface wrote it")
        network = state.get(AVERAGE, state["network"])
        if network.keys() != self.weights.keys() or not all(
            torch.equal(network[name], weights) for name, weights in self.weights.items()
        ):
            raise ModelError(f"{shown(file)} is the state of another step than the model")
        return state["head"], names


def copy_class_weights(
    head: Head, identities: Sequence[str], rows: dict[str, Tensor], names: Sequence[str]
) -> int:
    """Copy into `head` the class weights, and biases, of identities that have the same name in both.

    Of a head that is divided among ranks, each rank copies those that it holds.

    Args:
        head: the head to copy into.
        identities: the names of its identities, in the order of their labels.
        rows: by name of the parameter, one row for each of `names`.
        names: the identities of the rows.

    Returns:
        The number of identities that are in both, on all ranks together.

    Raises:
        ModelError: the rows are not those of so many identities, or of another length.
    """
    former = {name: row for row, name in enumerate(names)}
    both = [(label, former[name]) for label, name in enumerate(identities) if name in former]
    first, count = (0 if head.shard is None else head.shard.held.start), len(head.weight)
    own = [(label - first, row) for label, row in both if first <= label < first + count]
    into = torch.tensor([label for label, _ in own], dtype=torch.int64)
    taken = torch.tensor([row for _, row in own], dtype=torch.int64)
    for key, parameter in head.parameters_by_identity().items():
        if key not in rows:  # a bias that the former head did not have
            continue
        if rows[key].shape != (len(names), *parameter.shape[1:]):
            raise ModelError(f"a damaged checkpoint: {key} of shape {tuple(rows[key].shape)}")
        with torch.no_grad():
            parameter[into.to(parameter.device)] = rows[key][taken].to(parameter)
    return len(both)


def check_agreement(recipe: Recipe, model: Description, where: str) -> None:
    """Refuse a model, in the file `where`, that has another network or input than `recipe`.

    Raises:
        RecipeError: with the first key that differs.
    """
    network = recipe.network
    of_recipe = _settings(network.name, network.embedding_size, network.arguments) | dotted(
        {"input": recipe.input.model_dump()}
    )
    of_model = _settings(model.network, model.embedding_size, model.network_arguments) | dotted(
        {"input": model.input.model_dump()}
    )
    for key in of_recipe | of_model:
        ours, theirs = (values.get(key, "not given") for values in (of_recipe, of_model))
        if ours != theirs:
            section = key.split(".")[0]
            raise RecipeError(
                f"init: {key} is {shown(ours)} in the recipe and {shown(theirs)} in {where}; give the "
                f"model's, or leave `{section}` out of the recipe, which then takes it from the model"
            )


def _settings(name: str, embedding_size: int, arguments: dict[str, Any]) -> dict[str, Any]:
    """The name and all arguments of a network, defaults included, by dotted key."""
    parameters = inspect.signature(NETWORKS[name]).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    given = {"name": name} | COMMON_ARGUMENTS | defaults | arguments | {"embedding_size": embedding_size}
    return dotted({"network": given})
