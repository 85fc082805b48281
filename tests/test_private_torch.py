"""Private interfaces of PyTorch: whether this release still has them, and that one file alone uses them."""

from __future__ import annotations

import ast
import multiprocessing
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from nsface.private_torch import copy_all, cpu_has_bfloat16, end_workers, release_used_batches, update_where

ROOT = Path(__file__).resolve().parents[1]
WRAPPERS = ROOT / "nsface" / "private_torch.py"
INTERFACES = {
    "torch:_foreach_copy_": "copy_all",
    "torch:ops.aten.threshold_backward": "relu_gradient",
    "torch._dynamo.config:optimize_ddp": "compile_whole_graphs",
    "torch.cpu:_is_avx512_bf16_supported": "cpu_has_bfloat16",
    "torch.cpu:_is_amx_tile_supported": "cpu_has_bfloat16",
    "torch.distributed.rendezvous:rendezvous": "meet_ranks",
    "torch.multiprocessing.reductions:shared_cache.free_dead_references": "release_used_batches",
    "torch.utils.data.dataloader:_MultiProcessingDataLoaderIter._shutdown_workers": "end_workers",
}
UNDOCUMENTED = {"torch.distributed.rendezvous", "torch.multiprocessing.reductions"}


def gone(name: str, wrapper: str) -> str:
    return (
        f"PyTorch {torch.__version__} has no {name} any more: find another way in "
        f"nsface.private_torch.{wrapper}, whose docstring says what it is for"
    )


@pytest.mark.parametrize("name", INTERFACES)
def test_pytorch_has_the_interface(name: str) -> None:
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        pytest.fail(gone(name, INTERFACES[name]))
    assert callable(found) or isinstance(found, bool), "neither a function nor a switch"


def test_the_iterator_of_a_loader_has_workers_that_can_be_ended() -> None:
    loader: DataLoader[int] = DataLoader([1, 2, 3], num_workers=2, persistent_workers=True)  # type: ignore[arg-type]
    end_workers(loader)  # there are none yet
    next(iter(loader))
    iterator = getattr(loader, "_iterator", None)
    assert len(getattr(iterator, "_workers", ())) == 2, gone("DataLoader._iterator._workers", "end_workers")
    workers = multiprocessing.active_children()
    end_workers(loader)
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()


def test_wrappers_can_be_called_at_any_time() -> None:
    assert isinstance(cpu_has_bfloat16(), bool)
    release_used_batches()


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_fused_sgd_leaves_out_a_step_that_is_not_finite(nesterov: bool, weight_decay: float) -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = torch.optim.SGD(
        [weight], lr=0.5, momentum=0.9, nesterov=nesterov, weight_decay=weight_decay, fused=True
    )
    optimizer.state[weight]["momentum_buffer"] = momentum = torch.tensor([3.0, 4.0])
    weight.grad = torch.tensor([float("nan"), 1.0])
    update_where(optimizer, weight.grad.isfinite().all())
    optimizer.step()
    assert weight.tolist() == [1.0, 2.0], gone("Optimizer.found_inf", "update_where")
    assert momentum.tolist() == [3.0, 4.0]
    weight.grad = torch.tensor([0.0, 1.0])
    update_where(optimizer, weight.grad.isfinite().all())
    optimizer.step()
    assert weight.tolist() != [1.0, 2.0]


def test_copy_all() -> None:
    targets = [torch.zeros(2), torch.zeros(1, 3)]
    copy_all(targets, [torch.ones(2), torch.full((1, 3), 2.0)])
    assert [target.tolist() for target in targets] == [[1.0, 1.0], [[2.0, 2.0, 2.0]]]


def private_uses(path: Path) -> Iterator[str]:
    """The private names that `path` imports from PyTorch, or takes from any object but its own."""
    own = ("self", "cls", "super()", "os")  # os._exit is documented
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom | ast.Import | ast.Attribute):
            continue
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "torch"]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) not in own:
            names = [node.attr]
        for name in names:
            private = any(part.startswith("_") and not part.endswith("__") for part in name.split("."))
            if private or any(name.startswith(module) for module in UNDOCUMENTED):
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {name}"


def test_no_other_module_uses_private_interfaces() -> None:
    folders = ("nsface", "cli", "protocols")
    modules = {path for folder in folders for path in (ROOT / folder).rglob("*.py")}
    torch_users = [path for path in sorted(modules) if "torch" in path.read_text(encoding="utf-8")]
    assert WRAPPERS in torch_users
    assert list(private_uses(WRAPPERS))
    assert [use for path in torch_users if path != WRAPPERS for use in private_uses(path)] == []
