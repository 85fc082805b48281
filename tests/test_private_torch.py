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

from nsface.private_torch import cpu_has_bfloat16, end_workers, release_used_batches

ROOT = Path(__file__).resolve().parents[1]
WRAPPERS = ROOT / "nsface" / "private_torch.py"
INTERFACES = {
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
        assert callable(pkgutil.resolve_name(name))
    except (ImportError, AttributeError):
        pytest.fail(gone(name, INTERFACES[name]))


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
