"""The classifier alone: each form and precision is the one that is measured."""

from __future__ import annotations

import pytest
import torch

from nsface.benchmark.classifier import Classifier, Form, Precision, measure_classifier
from nsface.heads import Head, HeadOutput

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("form", ["plain", "blocked", "sampled"])
def test_what_is_measured(form: Form, precision: Precision, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    right = Head.forward

    def watched(self: Head, features: torch.Tensor, labels: torch.Tensor) -> HeadOutput:
        used = len(self._classes(torch.float32, labels)[0].weight)
        steps.append((self.classifier_form(len(features)), self.factors, used))
        return right(self, features, labels)

    monkeypatch.setattr(Head, "forward", watched)
    found = measure_classifier(Classifier("arcface", 20, form, precision, size=4, batch=2), CPU, steps=3)
    assert len(steps) == 2 + 3
    for taken, factors, used in steps:
        assert taken == ("blocked" if form == "blocked" else "plain")  # so few are in one form by themselves
        assert factors == (torch.bfloat16 if precision == "bf16" else None)
        assert used == (2 if form == "sampled" else 20)
    assert (found.weights, found.extra) == (4 * 20 * 4, None)
    assert len(found.steps_per_second.blocks) == 3
    assert found.to_json()["step_seconds"] == 1 / found.steps_per_second.median
