"""TF32 is allowed or not within a context, whatever a program had set before, and is set back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
import torch

from nsface.device import TrainingPrecision, may_use_tf32, pick_precision, tf32

CUDA = torch.device("cuda")
CUDNN: Any = torch.backends.cudnn  # of which type stubs do not know the parts
MATMUL: Any = torch.backends.cuda.matmul
NEW = hasattr(MATMUL, "fp32_precision")
needs_new = pytest.mark.skipif(not NEW, reason="this PyTorch has the old settings alone")


def settings() -> list[Any]:
    if NEW:
        return [backend.fp32_precision for backend in (MATMUL, CUDNN.conv, CUDNN.rnn)]
    return [MATMUL.allow_tf32, CUDNN.allow_tf32]


def old(matmul: bool, cudnn: bool) -> None:
    MATMUL.allow_tf32, CUDNN.allow_tf32 = matmul, cudnn


def new(matmul: str, conv: str, rnn: str) -> None:
    MATMUL.fp32_precision, CUDNN.conv.fp32_precision, CUDNN.rnn.fp32_precision = matmul, conv, rnn


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    old(False, True)  # PyTorch's defaults


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(
    ("first", "then"),
    [
        ((False, True), None),
        ((True, False), None),
        ((False, False), None),
        pytest.param((False, True), ("tf32", "tf32", "tf32"), marks=needs_new),
        pytest.param((False, True), ("ieee", "ieee", "tf32"), marks=needs_new),
        pytest.param((True, True), ("ieee", "tf32", "none"), marks=needs_new),
    ],
)
def test_both_kinds_of_settings_say_the_same_and_are_set_back(
    first: tuple[bool, bool], then: tuple[str, str, str] | None, allowed: bool
) -> None:
    old(*first)
    if then is not None:
        new(*then)
    before = settings()
    with tf32(allowed, CUDA):
        # what torch.compile reads: it raises where the two kinds of settings differ
        assert MATMUL.allow_tf32 == allowed
        assert CUDNN.allow_tf32 == allowed
        assert torch.get_float32_matmul_precision() == ("high" if allowed else "highest")
        if NEW:
            assert [setting == "tf32" for setting in settings()] == [allowed] * 3
    assert settings() == before


def test_an_error_sets_them_back_too() -> None:
    before = settings()
    try:
        with tf32(True, CUDA):
            raise KeyError
    except KeyError:
        assert settings() == before


def test_nothing_changes_on_a_cpu() -> None:
    old(False, True)
    before = settings()
    with tf32(True, torch.device("cpu")):
        assert settings() == before


def test_which_precision_may_use_it() -> None:
    cpu, choices = torch.device("cpu"), get_args(TrainingPrecision)
    assert not any(may_use_tf32(choice, cpu) for choice in choices)
    assert {choice: may_use_tf32(choice, CUDA) for choice in choices if choice != "auto"} == {
        "fp32": False,
        "tf32": True,
        "bf16": True,
    }
    assert pick_precision("tf32", cpu) == torch.float32
