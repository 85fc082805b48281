"""Everything that nsface uses of PyTorch without a promise that it stays: private or undocumented interfaces.

Each function here wraps one of them and says what nsface needs it for. No other module uses such an
interface, and `tests/test_private_torch.py` names the one that a release of PyTorch has taken away.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributed.rendezvous import rendezvous
from torch.multiprocessing.reductions import shared_cache
from torch.utils.data import DataLoader


def cpu_has_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16 with instructions of its own (AVX-512 BF16 or AMX).

    Uses `torch.cpu._is_avx512_bf16_supported` and `torch.cpu._is_amx_tile_supported`, which `precision: auto`
    needs: without such instructions bfloat16 is emulated, and far slower than float32.
    """
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def meet_ranks() -> tuple[Any, int, int]:
    """The store that all ranks of torchrun share, the number of this rank, and how many ranks there are.

    Uses `torch.distributed.rendezvous.rendezvous`. `init_process_group` would make the store itself, but keep
    it private; nsface needs it to find out which rank failed first.
    """
    store, rank, count = next(rendezvous("env://"))
    return store, rank, count


def release_used_batches() -> None:
    """Forget the tensors from worker processes that nothing uses any more.

    Uses `torch.multiprocessing.reductions.shared_cache`, which remembers the last 128 tensors. What it keeps
    of each is small, but pins the memory around it: gigabytes, after a thousand batches.
    """
    shared_cache.free_dead_references()


def end_workers(loader: DataLoader[Any]) -> None:
    """End the worker processes of `loader`, which may be none, now, and whatever they are doing.

    Uses `DataLoader._iterator`, and its `_shutdown_workers` and `_workers`. Persistent workers would live as
    long as anything, a traceback for example, refers to the iterator; and PyTorch sends SIGTERM to workers
    that hang, which does not end them.

    Raises:
        RuntimeError: a worker had been killed.
    """
    iterator: Any = loader._iterator
    if iterator is None:
        return
    try:
        iterator._shutdown_workers()
    finally:
        for worker in iterator._workers:
            worker.kill()
        loader._iterator = None


def update_where(optimizer: torch.optim.Optimizer, finite: Tensor) -> None:
    """Let the next step of a fused `optimizer` change nothing unless `finite`, of shape (), is true.

    Uses the attribute `found_inf`, by which `torch.amp.GradScaler` tells fused optimisers on the device that
    a step is to be left out: weights and momentum stay as they are. nsface has no scaled gradients, and
    leaves out the steps whose gradient is not finite.
    """
    optimizer.found_inf = finite.logical_not().float()  # type: ignore[attr-defined]


def copy_all(targets: list[Tensor], sources: list[Tensor]) -> None:
    """Copy each of `sources` into the tensor at its place in `targets`.

    Uses `torch._foreach_copy_`: a network has hundreds of small buffers, each of which would be a call to
    the device.
    """
    torch._foreach_copy_(targets, sources)


def relu_gradient(upstream: Tensor, values: Tensor) -> Tensor:
    """`upstream` where `values` are above 0, and 0 elsewhere: the gradient that passes through a ReLU.

    Uses `torch.ops.aten.threshold_backward`, the one operation that makes this in one vectorised pass:
    comparisons and `torch.where` take several times as long on CPUs.
    """
    passed: Tensor = torch.ops.aten.threshold_backward(upstream, values, 0)
    return passed


def bfloat16_product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of two bfloat16 matrices on a CUDA device, with sums and result in float32.

    Uses the `out_dtype` of `torch.mm`, which came with PyTorch 2.8, and which type stubs do not know. Before,
    the factors are multiplied as float32, which gives the same up to the order of the sums, in more time.
    """
    if not hasattr(torch.ops.aten.mm, "dtype"):
        return torch.mm(left.float(), right.float(), out=out)
    mm: Any = torch.mm
    result: Tensor = mm(left, right, out_dtype=torch.float32, out=out)
    return result


def compile_whole_graphs() -> None:
    """From now on let the compiler take graphs as they are.

    Uses `torch._dynamo.config.optimize_ddp`. By it the compiler divides graphs where
    `DistributedDataParallel` has its buckets, if it happens to run inside of it: the numbers of a network
    would depend on when it is compiled.
    """
    torch._dynamo.config.optimize_ddp = False
