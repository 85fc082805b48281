"""A copy of a state has its values, and memory of its own, which the next copy takes over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nsface.training import host_memory
from nsface.training.host_copy import SHARE, HostCopy, may_be_copied, size_of
from nsface.training.host_memory import free_memory


def test_a_copy_keeps_values_and_strides_and_shares_nothing() -> None:
    weight = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    state = {
        "step": 3,
        "network": {"a": weight, "b": weight[1:]},
        "groups": [{"lr": 0.1, "x": (weight, None)}],
    }
    copies = HostCopy()
    copy = copies.of(state)
    was = weight.clone()
    weight.zero_()
    assert copy["step"] == 3
    assert copy["groups"][0]["lr"] == 0.1
    assert copy["groups"][0]["x"][1] is None
    for found in (copy["network"]["a"], copy["groups"][0]["x"][0]):
        assert torch.equal(found, was)
        assert found.stride() == was.stride()
    assert torch.equal(copy["network"]["b"], was[1:])
    assert len({t.data_ptr() for t in (*copy["network"].values(), copy["groups"][0]["x"][0])}) == 3


def test_the_next_copy_is_made_in_the_same_memory_where_it_fits() -> None:
    copies = HostCopy()
    first = copies.of({"a": torch.zeros(5), "b": torch.zeros(2), "c": torch.zeros(3)})
    places = {name: tensor.data_ptr() for name, tensor in first.items()}
    second = copies.of({"a": torch.ones(5), "b": torch.ones(4), "c": torch.ones(3, dtype=torch.float64)})
    assert second["a"].data_ptr() == places["a"]
    assert {name: tensor.sum() for name, tensor in second.items()} == {"a": 5, "b": 4, "c": 3}
    assert second["c"].dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_copy_of_a_gpu_is_of_the_moment_it_was_asked_for() -> None:
    weight = torch.zeros(1 << 24, device="cuda")
    copies = HostCopy()
    for value in range(3):
        weight.fill_(value)
        copy = copies.of({"weight": weight})
        weight.fill_(-1)
        copies.wait()
        assert copy["weight"].is_pinned()
        assert bool((copy["weight"] == value).all())


def test_what_takes_more_than_its_share_of_memory_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsface.training.host_copy.free_memory", lambda: int(80 / SHARE))
    numbers = torch.zeros(10)  # 40 bytes
    assert may_be_copied(size_of({"a": numbers, "b": [{"c": numbers}], "step": 5}))
    assert not may_be_copied(
        size_of({"a": numbers, "b": [{"c": numbers}], "d": torch.zeros(1, dtype=torch.uint8)})
    )


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, 1000 * 1024),
        ({"": "max", "job": "max"}, 1000 * 1024),
        ({"job": "500000"}, 500000 - 300000 + 100000),
        ({"job": "500000", "job/step": "350000"}, 350000 - 300000 + 100000),
        ({"job": "100000"}, 0),
    ],
)
def test_free_memory_is_what_the_tightest_group_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, str], expected: int
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 4000 kB\nMemFree: 10 kB\nMemAvailable:    1000 kB\n")
    (tmp_path / "own").write_text("1:name=systemd:/x\n0::/job/step\n")
    for group in ("", "job", "job/step"):
        (tmp_path / "groups" / group).mkdir(parents=True, exist_ok=True)
    for group, limit in limits.items():
        folder = tmp_path / "groups" / group
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("300000\n")
        (folder / "memory.stat").write_text("anon 200000\ninactive_file 100000\nactive_file 5\n")
    for name, file in (("_MEMINFO", "meminfo"), ("_OWN_GROUPS", "own"), ("_GROUPS", "groups")):
        monkeypatch.setattr(host_memory, name, tmp_path / file)
    assert free_memory() == expected


def test_where_the_system_does_not_say_it_is_half_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    available = free_memory()
    assert available > 0
    monkeypatch.setattr(host_memory, "_MEMINFO", tmp_path / "none")
    assert free_memory() > available / 3
