"""The network is compiled where the recipe says so, tried before it is used, and left as it is otherwise."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from nsface.errors import RecipeError
from nsface.ranks import Ranks
from nsface.recipe.schema import Recipe, load_recipe
from nsface.run_folder import RunFolder
from nsface.training.compiling import Compilation, compile_network, is_wanted
from nsface.training.run import train
from tests.training.forked_ranks import run_on, settings, write_faces
from tests.training.small_trainer import small_trainer

COMPILE = torch.compile
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
IMAGES = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.3)).train()


def compiled(choice: Any = "auto", parts: int = 1, made: nn.Module | None = None) -> Compilation:
    return compile_network(made or network(), choice, IMAGES, torch.float32, parts)


def give(monkeypatch: pytest.MonkeyPatch, make: Callable[[nn.Module], Callable[[Tensor], Tensor]]) -> None:
    """Let torch.compile return what `make` makes of a network."""
    monkeypatch.setattr(torch, "compile", lambda module, **_: make(module))


def in_part(module: Any, *, options: dict[str, Any], **settings: Any) -> Any:
    """`torch.compile` without its last stage, which needs a C++ compiler and half a minute."""
    assert options == {"fallback_random": True}
    return COMPILE(module, backend="aot_eager", **settings)


def unchanged(module: nn.Module) -> Callable[[Tensor], Tensor]:
    return module


def raising(error: Exception) -> Callable[[nn.Module], Callable[[Tensor], Tensor]]:
    def fail(images: Tensor) -> Tensor:
        raise error

    return lambda module: fail


def test_auto_compiles_long_runs_on_a_gpu() -> None:
    assert is_wanted("on", CPU, 1)
    assert not is_wanted("off", CUDA, 10**6)
    assert [is_wanted("auto", CUDA, steps) for steps in (9_999, 10_000)] == [False, True]
    assert not is_wanted("auto", CPU, 10**6)


@pytest.mark.parametrize("parts", [1, 2])
def test_the_trial_leaves_no_trace(monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    give(monkeypatch, unchanged)
    made = network()
    before = deepcopy(made.state_dict())
    found = compiled("on", parts, made)
    assert found.embed is not None
    assert found.describe()["compiled"] is True
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())
    assert all(p.grad is None for p in made.parameters())


def test_auto_goes_on_without_where_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, raising(RuntimeError("\n  no compiler here\nand many more lines")))
    found = compiled()
    assert (found.embed, found.why_not) == (None, "no compiler here")
    assert found.describe() == {"compiled": False, "not_compiled_because": "no compiler here"}
    with pytest.raises(
        RecipeError, match="compile: the network cannot be compiled here: no compiler here; give"
    ):
        compiled("on")
    give(monkeypatch, raising(ValueError()))
    assert compiled().why_not == "ValueError"


@pytest.mark.parametrize("what", ["embeddings", "gradients"])
def test_wrong_numbers_are_found(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    def wrong(module: nn.Module, images: Tensor) -> Tensor:
        right: Tensor = module(images)
        other = right * 2
        return other if what == "embeddings" else other - right.detach()

    give(monkeypatch, lambda module: partial(wrong, module))
    assert f"its {what} differ from those of the uncompiled network" in compiled().why_not


def test_too_little_memory_is_no_fault_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, raising(torch.OutOfMemoryError("of memory")))
    with pytest.raises(torch.OutOfMemoryError):
        compiled()


def test_a_run_that_is_compiled_and_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", in_part)
    changes: dict[str, Any] = {
        "network": {"name": "sphereface-4", "embedding_size": 8, "activation": "nan-tanh"},
        "accumulate": 2,
        "epochs": 1,
        "schedule": {},
    }
    eager, whole, first, second = (small_trainer(**changes, compile=c) for c in ("off", "on", "on", "on"))
    for trainer in (eager, whole):
        list(trainer.run())
    steps = first.run()
    for _ in range(2):
        next(steps)
    second.restore(deepcopy(first.state()))
    list(second.run())
    state = eager.network.state_dict()
    assert state.keys() == whole.network.state_dict().keys()
    torch.testing.assert_close(whole.network.state_dict(), state, rtol=1e-4, atol=1e-5)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(second.network.state_dict()[name], tensor)
    assert whole.take_step.replica.embed is not whole.network
    assert eager.take_step.replica.embed is eager.network


def test_the_words_of_yaml(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        "network: {name: light-resnet, embedding_size: 8}\nhead: {name: softmax}\nepochs: 1\ncompile: on\n"
    )
    assert load_recipe(tmp_path / "recipe.yaml").compile == "on"
    assert load_recipe(tmp_path / "recipe.yaml", {"compile": False}).compile == "off"


def compiled_on(ranks: Ranks, faces: Path, out: Path) -> None:
    """A network with batch normalisation."""
    network = {"name": "light-resnet", "embedding_size": 8, "channels": 2}
    changes: dict[str, Any] = {"network": network}
    calls = 0

    def counted(module: nn.Module, **options: Any) -> Callable[[Tensor], Tensor]:
        embed = in_part(module, **options)

        def called(images: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            result: Tensor = embed(images)
            return result

        return called

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", counted)
        for name, choice in {"eager": "off", "auto": "auto", "whole": "on"}.items():
            train(Recipe.model_validate(settings(faces, **changes, compile=choice)), out / name, ranks=ranks)
        assert calls == 3 + 6, "in the trial, and once in each step"
        chosen = Recipe.model_validate(settings(faces, **changes, compile="on"))
        if ranks.first:
            shutil.copytree(out / "whole", out / "resumed")
            (out / "resumed" / "model.safetensors").unlink()
            (out / "resumed" / "checkpoints" / "latest.pt").unlink()  # and with it the second epoch
        ranks.wait()
        train(chosen, out / "resumed", ranks=ranks, resume=True)
        make = unchanged if ranks.first else raising(RuntimeError("none here"))
        patch.setattr(torch, "compile", lambda module, **_: make(module))
        with pytest.raises(RecipeError, match="cannot be compiled here: none here; give compile: auto"):
            train(chosen, out / "failed", ranks=ranks)


def test_ranks_compile_together_or_not_at_all(tmp_path: Path) -> None:
    faces, messages = write_faces(tmp_path / "faces"), tmp_path / "messages"
    assert run_on(2, messages, compiled_on, faces, tmp_path) == [0, 0], messages.read_text()
    runs = ("eager", "auto", "whole", "resumed")
    eager, auto, whole, resumed = (load_file(tmp_path / run / "model.safetensors") for run in runs)
    for name, tensor in eager.items():
        torch.testing.assert_close(whole[name], tensor, rtol=1e-4, atol=1e-5)
        assert torch.equal(auto[name], tensor), "auto compiles nothing on a CPU"
        assert torch.equal(resumed[name], whole[name])
    environments = [RunFolder(tmp_path / run).read_environment()["compiled"] for run in runs]
    assert environments == [False, False, True, True]
    assert not (tmp_path / "failed").exists()
