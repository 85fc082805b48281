"""Center loss against the paper's formulas written out sample by sample."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nsface.auxiliary import Center


def batch(samples: int = 9, size: int = 4, identities: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(samples, size, dtype=torch.float64, generator=draw)
    return features, torch.randint(identities, (samples,), generator=draw)


def test_loss_and_centres_over_several_batches() -> None:
    center = Center(4, 5, rate=0.3).double().train()
    expected = [[0.0] * 4 for _ in range(5)]
    for seed in range(4):
        features, labels = batch(seed=seed)
        rows, who = features.tolist(), labels.tolist()
        loss = sum(
            sum((x - c) ** 2 for x, c in zip(row, expected[y], strict=True))
            for row, y in zip(rows, who, strict=True)
        ) / (2 * len(rows))
        assert center(features, labels).item() == pytest.approx(loss, rel=1e-12)
        for identity in set(who):
            own = [row for row, y in zip(rows, who, strict=True) if y == identity]
            delta = [
                sum(c - row[d] for row in own) / (1 + len(own)) for d, c in enumerate(expected[identity])
            ]
            expected[identity] = [c - 0.3 * d for c, d in zip(expected[identity], delta, strict=True)]
        torch.testing.assert_close(center.centers, torch.tensor(expected, dtype=torch.float64))


def test_gradient_is_the_offset_from_the_centre() -> None:
    features, labels = batch()
    center = Center(4, 5).double()
    center.centers.normal_(generator=torch.Generator().manual_seed(1))
    before = center.centers.clone()
    features.requires_grad_()
    center(features, labels).backward()
    assert features.grad is not None
    torch.testing.assert_close(features.grad, (features.detach() - before[labels]) / len(features))
    center.eval()
    assert torch.autograd.gradcheck(lambda x: center(x, labels), features)


def test_centres_stay_in_eval_mode_and_travel_with_the_state() -> None:
    features, labels = batch()
    center = Center(4, 5).double()
    center(features, labels)
    moved = center.centers.clone()
    assert not torch.equal(moved, torch.zeros_like(moved))
    center.eval()(features, labels)
    assert torch.equal(center.centers, moved)
    other = Center(4, 5).double()
    other.load_state_dict(center.state_dict())
    assert torch.equal(other.centers, moved)


def test_identities_absent_from_the_batch_keep_their_centre() -> None:
    center = Center(4, 5)
    center.centers.fill_(2.0)
    center(torch.zeros(3, 4), torch.tensor([1, 1, 3]))
    assert torch.equal(center.centers[[0, 2, 4]], torch.full((3, 4), 2.0))
    torch.testing.assert_close(center.centers[1], torch.full((4,), 2 - 0.5 * 2 * 2 / 3))
    torch.testing.assert_close(center.centers[3], torch.full((4,), 2 - 0.5 * 2 / 2))


def test_half_precision_features_give_a_float32_loss() -> None:
    features, labels = batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = Center(4, 5)(features.bfloat16(), labels)
    assert loss.dtype == torch.float32
    assert loss.isfinite()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": 0.0}, "weight must be a number > 0, not 0.0"),
        ({"weight": float("nan")}, "weight must be a number > 0"),
        ({"rate": 0.0}, r"rate must be in \(0, 1\], not 0.0"),
        ({"rate": 1.5}, r"rate must be in \(0, 1\], not 1.5"),
    ],
)
def test_wrong_arguments(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Center(4, 5, **arguments)
