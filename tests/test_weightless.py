"""Modules without weights: the shapes of the others, nothing drawn, nothing loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from nsface.heads import HEADS
from nsface.networks import NETWORKS, build
from nsface.weightless import weightless


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_the_shapes_of_one_with_weights(name: str) -> None:
    sizes = {"height": 32, "width": 24, "embedding_size": 8}
    state = torch.random.get_rng_state()
    with weightless():
        planned = build(name, **sizes).state_dict()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert {tensor.device.type for tensor in planned.values()} == {"meta"}
    made = build(name, **sizes).state_dict()
    assert {key: (t.shape, t.dtype) for key, t in planned.items()} == {
        key: (t.shape, t.dtype) for key, t in made.items()
    }


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_a_billion_identities_takes_no_memory(name: str) -> None:
    with weightless():
        head = HEADS[name](512, 1 << 30)
    assert head.weight.shape == (1 << 30, 512)
    assert head.weight.device.type == "meta"


def test_what_is_built_afterwards_is_initialised() -> None:
    with weightless():
        torch.nn.Linear(3, 3)
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 3)
    assert layer.weight.device.type == "cpu"
    assert layer.weight.unique().numel() == 9


def test_it_does_not_import_what_pytorch_draws_by_on_meta() -> None:
    code = (
        "import sys, torch\n"
        "from nsface.networks import NETWORKS, build\n"
        "from nsface.weightless import weightless\n"
        "before = set(sys.modules)\n"
        "with weightless():\n"
        "    for name in NETWORKS: build(name, height=16, width=16, embedding_size=1)\n"
        "print(len(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100, "PyTorch's own way imports some 900 modules"
