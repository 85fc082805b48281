"""Blur and JPEG on batches, against OpenCV's and libjpeg's."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from nsface.images.batches.degradation import blurred, compressed


def scenes(batch: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Images with coarse and fine structure in every channel, N × H × W × 3."""
    noise = np.random.default_rng(0).normal(size=(batch, 3, height, width, 3))
    made = []
    for layers in noise:
        image = sum(
            cv2.GaussianBlur(layers[i], (0, 0), s) * a for i, (s, a) in enumerate(((9, 500), (3, 60)))
        )
        made.append(np.clip(128 + image + layers[2] * 4, 0, 255))
    return np.array(made).round().astype(np.uint8)


def as_batch(images: npt.NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float()


def through_libjpeg(image: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.float64]:
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.float64)[..., ::-1]


@pytest.mark.parametrize(("height", "width"), [(112, 96), (45, 37)])
def test_jpeg_is_that_of_libjpeg(height: int, width: int) -> None:
    qualities = [5, 20, 49, 50, 75, 95]
    images = scenes(len(qualities), height, width)
    result = compressed(as_batch(images), torch.tensor(qualities))
    assert result.is_contiguous(memory_format=torch.channels_last)
    for image, ours, quality in zip(images, result.permute(0, 2, 3, 1).numpy(), qualities, strict=True):
        wanted = through_libjpeg(image, quality)
        # libjpeg rounds colours and transform to whole numbers, which turns a few coefficients the other way
        assert abs(ours - wanted).mean() < 1.5
        if quality <= 50:
            assert abs(ours - wanted).mean() < abs(image - wanted).mean() / 3


def test_worse_quality_loses_more() -> None:
    images = as_batch(scenes(1, 64, 64).repeat(6, axis=0))
    lost = (compressed(images, torch.tensor([2, 10, 30, 60, 90, 100])) - images).abs().mean(dim=(1, 2, 3))
    assert (lost.diff() < 0).all()


def test_jpeg_keeps_what_is_flat_and_stays_in_range() -> None:
    flat = torch.tensor([0.0, 128.0, 255.0]).view(3, 1, 1, 1).expand(3, 3, 32, 32)
    assert torch.allclose(compressed(flat, torch.full((3,), 100)), flat, atol=1.0)
    result = compressed(torch.randint(0, 2, (8, 3, 32, 32)) * 255.0, torch.full((8,), 10))
    assert result.min() >= 0
    assert result.max() <= 255


@pytest.mark.parametrize(("height", "width"), [(112, 96), (7, 9)])
def test_blur_is_that_of_opencv(height: int, width: int) -> None:
    sigmas = [0.0, 0.4, 1.0, 2.5]
    images = scenes(len(sigmas), height, width)
    result = blurred(as_batch(images), torch.tensor(sigmas), 2.5)
    assert result.is_contiguous(memory_format=torch.channels_last)
    ours = result.permute(0, 2, 3, 1).numpy()
    assert (ours[0] == images[0]).all(), "no blur at all is exact"
    for image, result_, sigma in zip(images[1:], ours[1:], sigmas[1:], strict=True):
        wanted = cv2.GaussianBlur(image.astype(np.float64), (31, 31), sigma, borderType=cv2.BORDER_REPLICATE)
        assert abs(result_ - wanted).max() < 0.01
