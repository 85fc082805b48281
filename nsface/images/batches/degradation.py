"""Gaussian blur and JPEG compression of whole batches, as matrix products on their device."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

BLOCK = 8  # pixels; the side of the blocks that JPEG transforms
_REACH = 4  # standard deviations beyond which a Gaussian is taken as 0
_TO_YCC = (0.299, 0.587, 0.114, -0.168736, -0.331264, 0.5, 0.5, -0.418688, -0.081312)  # ITU-R BT.601
_TO_RGB = (1.0, 0.0, 1.402, 1.0, -0.344136, -0.714136, 1.0, 1.772, 0.0)
# quantisation at quality 50, rows of rising vertical frequency: ITU-T T.81, tables K.1 and K.2
_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99),
    *(18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)


def luma(pixels: Tensor) -> Tensor:
    """The luma (grey value) of each image: B × 3 × H × W → B × 1 × H × W."""
    weights = _constants(pixels.device)["ycc"][0]
    return (pixels.permute(0, 2, 3, 1) @ weights).unsqueeze(1)


def blurred(pixels: Tensor, sigma: Tensor, largest: float) -> Tensor:
    """Convolve each image with a Gaussian; outside of the image its edge is repeated.

    Args:
        pixels: float32, B × 3 × H × W.
        sigma: standard deviation for each image in pixels, B, in [0, `largest`]; 0 leaves it as it is.

    Returns:
        float32, B × 3 × H × W, channels last in memory.
    """
    height, width = pixels.shape[2:]
    radius = max(1, math.ceil(_REACH * largest))
    rows, columns = (_smoothing(length, sigma, radius) for length in (height, width))
    smooth = rows[:, None] @ pixels.contiguous() @ columns[:, None].mT
    return smooth.contiguous(memory_format=torch.channels_last)


def _smoothing(length: int, sigma: Tensor, radius: int) -> Tensor:
    """The blur of a line of pixels as a matrix, B × `length` × `length`; its rows sum to 1."""
    target = torch.arange(length, device=sigma.device)
    origin = torch.arange(-radius, length + radius, device=sigma.device)
    exponent = (origin - target[:, None]).square() / (2 * sigma.clamp(min=1e-3).square())[:, None, None]
    weights = torch.softmax(-exponent, dim=2)
    inside = weights[..., radius:-radius]
    inside[..., 0] += weights[..., :radius].sum(dim=2)
    inside[..., -1] += weights[..., -radius:].sum(dim=2)
    return inside


def compressed(pixels: Tensor, quality: Tensor) -> Tensor:
    """The images after JPEG compression at a given quality, with chroma at half the size (4:2:0).

    As in libjpeg, whose tables and scale of qualities are used: chroma is averaged over 2 × 2 pixels,
    discrete cosine transforms of 8 × 8 pixels are quantised, and chroma is interpolated back bilinearly.
    Nothing but the coefficients is rounded. JPEG is ITU-T T.81, https://www.w3.org/Graphics/JPEG/itu-t81.pdf.

    Args:
        pixels: float32, B × 3 × H × W, RGB in [0, 255].
        quality: int64, B, in [1, 100].

    Returns:
        float32, B × 3 × H × W in [0, 255], channels last in memory.
    """
    height, width = pixels.shape[2:]
    down, across = -height % (2 * BLOCK), -width % (2 * BLOCK)
    if down or across:
        pixels = nn.functional.pad(pixels, (0, across, 0, down), mode="replicate")
    constants = _constants(pixels.device)
    planes = (constants["ycc"] @ pixels.flatten(2)).view(pixels.shape)
    luma = _quantised(planes[:, :1].sub_(128), constants["luma"], quality).add_(128)
    chroma = _quantised(nn.functional.avg_pool2d(planes[:, 1:], 2), constants["chroma"], quality)
    planes = torch.cat((luma, nn.functional.interpolate(chroma, scale_factor=2, mode="bilinear")), dim=1)
    rgb = (constants["rgb"] @ planes.flatten(2)).clamp_(0, 255).view(planes.shape)
    return rgb[:, :, :height, :width].contiguous(memory_format=torch.channels_last)


def _quantised(planes: Tensor, table: Tensor, quality: Tensor) -> Tensor:
    """Planes, B × C × H × W, after the transform of each 8 × 8 block is rounded to multiples of `table`."""
    batch, channels, height, width = planes.shape
    scale = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None]
    steps = ((table * scale + 50) // 100).clamp_(1, 255).float()[:, None, :]
    transform = _constants(planes.device)["transform"]
    grid = (batch, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    blocks = planes.reshape(grid).transpose(3, 4).reshape(batch, -1, BLOCK * BLOCK)
    coefficients = (blocks @ transform.T).div_(steps).round_().mul_(steps)
    restored = (coefficients @ transform).view(batch, channels, *grid[2:5:2], BLOCK, BLOCK)
    return restored.transpose(3, 4).reshape(planes.shape)


@lru_cache
def _constants(device: torch.device) -> dict[str, Tensor]:
    """The colour matrices (3 × 3), the transform of a block (64 × 64) and the tables (64), on `device`."""
    at = torch.arange(BLOCK, dtype=torch.float64)
    cosines = torch.cos(math.pi / BLOCK * at[:, None] * (at + 0.5)) * math.sqrt(2 / BLOCK)
    cosines[0] /= math.sqrt(2)
    made = {
        "ycc": torch.tensor(_TO_YCC).view(3, 3),
        "rgb": torch.tensor(_TO_RGB).view(3, 3),
        "luma": torch.tensor(_LUMA),
        "chroma": torch.tensor(_CHROMA),
        "transform": torch.kron(cosines, cosines).float(),
    }
    return {name: tensor.to(device) for name, tensor in made.items()}
