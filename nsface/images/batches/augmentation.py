"""Augmentation: whole batches on the training device, in a fixed order, from one generator."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from nsface.images.batches.degradation import blurred, compressed, luma


class Augmentation(BaseModel):
    """The changes that are made to a training image at random, in this order.

    Attributes:
        mirror: left and right are exchanged with a probability of one half.
        shift: the image moves by a whole number of pixels, uniform in [−shift, shift] on either axis.
        padding: what enters at an edge then: "edge" repeats the edge, "zero" is black, as a random crop from
            an image that is padded with zeros.
        rotation: the image turns about its middle by an angle uniform in [−rotation, rotation] degrees.
        zoom: the image grows by a factor uniform in [1 − zoom, 1 + zoom]. Rotation and zoom together are one
            bilinear resampling; what enters at an edge repeats the edge.
        brightness: pixels are multiplied by a factor uniform in [1 − brightness, 1 + brightness].
        contrast: differences from the image's mean are multiplied by a factor uniform in
            [1 − contrast, 1 + contrast].
        grey: the image loses its colour with this probability (luma of ITU-R BT.601).
        blur: the image is convolved with a Gaussian whose standard deviation is uniform in [0, blur] pixels.
        jpeg: the image is compressed by JPEG (4:2:0) of a quality uniform in jpeg, …, 100; null: it is not.
        erase: a grey rectangle, each side uniform in [0, erase] of the image's, is put over a random place.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    mirror: bool = True
    shift: int = Field(default=0, ge=0, le=1024)
    padding: Literal["edge", "zero"] = "edge"
    rotation: float = Field(default=0.0, ge=0, le=180)
    zoom: float = Field(default=0.0, ge=0, lt=1)
    brightness: float = Field(default=0.0, ge=0, lt=1)
    contrast: float = Field(default=0.0, ge=0, lt=1)
    grey: float = Field(default=0.0, ge=0, le=1)
    blur: float = Field(default=0.0, ge=0, le=16)
    jpeg: int | None = Field(default=None, ge=1, le=100)
    erase: float = Field(default=0.0, ge=0, le=1)


def augment(images: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Augment a batch.

    Args:
        images: uint8, B × H × W × 3, on the device of `generator`.
        settings: the changes.
        generator: the only source of random numbers.

    Returns:
        float32, B × 3 × H × W (channels last in memory), in [0, 255].
    """
    if settings.mirror or settings.shift:
        images = _mirror_and_shift(images, settings, generator)
    pixels = images.permute(0, 3, 1, 2).float()
    if settings.rotation or settings.zoom:
        pixels = _rotate_and_zoom(pixels, settings, generator)
    if settings.brightness:
        pixels = pixels.mul_(_random_factors(pixels, settings.brightness, generator)).clamp_(0, 255)
    if settings.contrast:
        mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
        factor = _random_factors(pixels, settings.contrast, generator)
        pixels = pixels.mul_(factor).add_(mean * (1 - factor)).clamp_(0, 255)
    if settings.grey:
        loses_colour = (
            torch.rand(len(pixels), 1, 1, 1, device=pixels.device, generator=generator) < settings.grey
        )
        pixels = pixels.lerp_(luma(pixels), loses_colour.float())
    if settings.blur:
        sigma = settings.blur * torch.rand(len(pixels), device=pixels.device, generator=generator)
        pixels = blurred(pixels, sigma, settings.blur)
    if settings.jpeg is not None:
        quality = torch.randint(settings.jpeg, 101, (len(pixels),), device=pixels.device, generator=generator)
        pixels = compressed(pixels, quality)
    if settings.erase:
        pixels = pixels.masked_fill_(_random_rectangles(images, settings, generator), 127.5)
    return pixels


def _random_factors(pixels: Tensor, span: float, generator: torch.Generator) -> Tensor:
    """A factor for each image, uniform in [1 − span, 1 + span]; B × 1 × 1 × 1."""
    drawn = torch.rand(len(pixels), 1, 1, 1, device=pixels.device, generator=generator)
    return 1 + span * (2 * drawn - 1)


def _mirror_and_shift(images: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    batch, height, width, _ = images.shape
    device = images.device
    rows = torch.arange(height, device=device).expand(batch, height)
    columns = torch.arange(width, device=device).expand(batch, width)
    if settings.mirror:
        mirrored = torch.rand(batch, 1, device=device, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    if settings.shift:
        offsets = torch.randint(
            -settings.shift, settings.shift + 1, (2, batch, 1), device=device, generator=generator
        )
        rows, columns = rows + offsets[0], columns + offsets[1]
    inside_rows, inside_columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    # one gather does both: pixel (i, r, c) of the result is pixel (i, rows[i, r], columns[i, c])
    which = torch.arange(batch, device=device)
    moved: Tensor = images[which[:, None, None], inside_rows[:, :, None], inside_columns[:, None, :]]
    if settings.shift and settings.padding == "zero":
        outside = (rows != inside_rows)[:, :, None] | (columns != inside_columns)[:, None, :]
        moved.masked_fill_(outside[..., None], 0)
    return moved


def _rotate_and_zoom(pixels: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    batch, _, height, width = pixels.shape
    angle, factor = 2 * torch.rand(2, batch, device=pixels.device, generator=generator) - 1
    angle = angle * math.radians(settings.rotation)
    factor = 1 + factor * settings.zoom
    cosine, sine = angle.cos() / factor, angle.sin() / factor
    # maps a place in the result to its place in the image; both run from −1 to 1 along either side
    x, y = (
        ((2 * torch.arange(length, device=pixels.device) + 1) / length - 1).view(shape)
        for length, shape in ((width, (1, 1, -1)), (height, (1, -1, 1)))
    )
    cosine, sine = cosine[:, None, None], sine[:, None, None]
    grid = torch.stack(
        (cosine * x + sine * (height / width) * y, cosine * y - sine * (width / height) * x), dim=-1
    )
    turned = nn.functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    return turned.contiguous(memory_format=torch.channels_last)


def _random_rectangles(images: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """A mask, B × 1 × H × W, that is true inside one random rectangle of each image."""
    batch, height, width, _ = images.shape
    inside: list[Tensor] = []
    for length in (height, width):
        size, place = torch.rand(2, batch, 1, device=images.device, generator=generator)
        size = size * settings.erase * length
        start = place * (length - size)
        at = torch.arange(length, device=images.device) + 0.5  # the middle of each pixel
        inside.append((at >= start) & (at < start + size))
    rows, columns = inside
    rectangles: Tensor = rows[:, :, None] & columns[:, None, :]
    return rectangles.unsqueeze(1)
