"""Augmentation: each change alone does what it says, on whole batches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nsface.images.batches.augmentation import Augmentation, augment
from nsface.images.batches.degradation import compressed

HEIGHT, WIDTH = 9, 7


def pixels(batch: int = 400) -> Tensor:
    return torch.randint(0, 256, (batch, HEIGHT, WIDTH, 3), dtype=torch.uint8)


def run(images: Tensor, how: Augmentation, seed: int = 0) -> Tensor:
    result = augment(images, how, torch.Generator().manual_seed(seed))
    assert result.shape == (len(images), 3, HEIGHT, WIDTH)
    assert result.is_contiguous(memory_format=torch.channels_last)
    return result.permute(0, 2, 3, 1)


def test_nothing() -> None:
    images = pixels()
    assert torch.equal(run(images, Augmentation(mirror=False)), images.float())


def test_mirror_is_a_fair_coin() -> None:
    images = pixels()
    result = run(images, Augmentation())
    as_it_was = (result == images).flatten(1).all(1)
    mirrored = (result == images.flip(2)).flatten(1).all(1)
    assert (as_it_was ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_shift_moves_by_whole_pixels_and_repeats_edges() -> None:
    images = pixels()
    result = run(images, Augmentation(mirror=False, shift=2))
    seen = set()
    for image, moved in zip(images, result, strict=True):
        padded = torch.nn.functional.pad(image.permute(2, 0, 1)[None].float(), [2] * 4, mode="replicate")[0]
        found = {
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.equal(padded[:, y : y + HEIGHT, x : x + WIDTH].permute(1, 2, 0), moved)
        }
        assert found
        seen |= found
    assert len(seen) == 25, "every shift in [−2, 2]² occurs"


def test_brightness_stays_in_range() -> None:
    images = torch.full((400, HEIGHT, WIDTH, 3), 200, dtype=torch.uint8)
    result = run(images, Augmentation(mirror=False, brightness=0.5))
    assert (result == result[:, :1, :1, :1]).all(), "one factor an image"
    assert result.min() >= 100
    assert result.max() == 255
    assert result[:, 0, 0, 0].unique().numel() > 200


def test_contrast_keeps_the_mean() -> None:
    images = torch.randint(100, 156, (400, HEIGHT, WIDTH, 3), dtype=torch.uint8)
    result = run(images, Augmentation(mirror=False, contrast=0.5)).flatten(1)
    before = images.flatten(1).float()
    assert torch.allclose(result.mean(1), before.mean(1), atol=1e-3)
    factor = result.std(1) / before.std(1)
    assert 0.5 <= factor.min() < 0.53
    assert 1.47 < factor.max() <= 1.5001
    apart = before - before.mean(1, keepdim=True)
    assert torch.allclose(result - result.mean(1, keepdim=True), factor[:, None] * apart, atol=1e-3)


def test_grey_takes_the_colour_from_some_images() -> None:
    images = pixels()
    result = run(images, Augmentation(mirror=False, grey=0.3))
    kept = (result == images).flatten(1).all(1)
    assert 90 < (~kept).sum() < 150
    luma = (images * torch.tensor([0.299, 0.587, 0.114])).sum(3, keepdim=True).expand_as(result)
    assert torch.allclose(result[~kept], luma[~kept], atol=1e-3)


def test_blur_is_uniform_up_to_its_sigma() -> None:
    how = Augmentation(mirror=False, blur=2.0)
    # the row of a bright line in the middle: its variance is that of the Gaussian
    images = torch.zeros(400, 41, WIDTH, 3, dtype=torch.uint8)
    images[:, 20] = 200
    lines = augment(images, how, torch.Generator().manual_seed(0))[:, 0, :, 3]
    sigma = ((lines * (torch.arange(41) - 20.0).square()).sum(1) / 200).sqrt()
    assert torch.allclose(lines.sum(1), torch.tensor(200.0))
    assert 1.95 < sigma.max() < 2.01
    assert torch.allclose(sigma[sigma > 1].mean(), torch.tensor(1.5), atol=0.06)
    assert 150 < (sigma > 1).sum() < 250


def test_jpeg_is_of_every_quality_from_its_lowest() -> None:
    images = pixels(1).expand(300, -1, -1, -1)
    result = run(images, Augmentation(mirror=False, jpeg=98)).permute(0, 3, 1, 2)
    batch = images[:3].permute(0, 3, 1, 2).float()
    wanted = compressed(batch, torch.tensor([98, 99, 100]))
    found = torch.cdist(result.flatten(1), wanted.flatten(1)).argmin(1)
    assert torch.allclose(result, wanted[found], atol=1e-3)
    assert (found.bincount(minlength=3) > 70).all()


def test_what_is_off_draws_nothing() -> None:
    generator = torch.Generator().manual_seed(3)
    augment(pixels(8), Augmentation(mirror=False), generator)
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(3).get_state())


def test_erase_comes_last() -> None:
    how = Augmentation(mirror=False, blur=2.0, jpeg=10, erase=0.8)
    result = run(torch.zeros(100, HEIGHT, WIDTH, 3, dtype=torch.uint8), how)
    erased = result == 127.5
    assert erased.any()
    assert result[~erased].max() < 10, "neither blurred nor compressed"


def test_erase_puts_one_grey_rectangle() -> None:
    images = torch.zeros(400, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    result = run(images, Augmentation(mirror=False, erase=0.6))[..., 0]
    assert set(result.unique().tolist()) == {0.0, 127.5}
    for erased in result > 0:
        rows, columns = erased.any(1), erased.any(0)
        assert torch.equal(erased, rows[:, None] & columns[None, :])
        assert rows.sum() <= 0.6 * HEIGHT + 1
        assert columns.sum() <= 0.6 * WIDTH + 1


def test_the_generator_decides() -> None:
    images, how = pixels(20), Augmentation(shift=2, brightness=0.2, erase=0.3)
    assert torch.equal(run(images, how, 1), run(images, how, 1))
    assert not torch.equal(run(images, how, 1), run(images, how, 2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"shift": -1},
        {"brightness": 1.0},
        {"erase": 1.5},
        {"zoom": 2},
        {"shift": 1.5},
        {"jpeg": 0},
        {"blur": -1.0},
    ],
)
def test_impossible_values(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augmentation.model_validate(wrong)


def ramp(batch: int, across: bool) -> Tensor:
    """Images whose value is the number of the column (`across`) or of the row, the same in every channel."""
    height, width = 21, 15
    line = torch.arange(width if across else height, dtype=torch.uint8)
    image = line[None, :] if across else line[:, None]
    return image.expand(height, width)[None, :, :, None].expand(batch, height, width, 3).contiguous()


def test_zoom_scales_about_the_middle() -> None:
    how = Augmentation(mirror=False, zoom=0.3)
    for across, middle in ((True, 7), (False, 10)):
        result = augment(ramp(300, across), how, torch.Generator().manual_seed(0))[:, 0]
        line = result[:, 10, 5:10] if across else result[:, 8:13, 7]
        slope = line.diff(dim=1)
        assert torch.allclose(result[:, 10, 7], torch.tensor(float(middle)), atol=1e-4)
        assert torch.allclose(slope, slope[:, :1].expand_as(slope), atol=1e-3), "still a straight ramp"
        factor = 1 / slope[:, 0]
        assert 0.7 <= factor.min() < 0.75
        assert 1.25 < factor.max() <= 1.3001


def test_rotation_keeps_angles_and_lengths_in_images_that_are_not_square() -> None:
    how = Augmentation(mirror=False, rotation=20)
    draws = [
        augment(ramp(300, across), how, torch.Generator().manual_seed(0))[:, 0] for across in (True, False)
    ]
    x, y = draws
    # from one pixel right of the middle to one left of it, in the frame of the original image
    dx, dy = ((v[:, 10, 8] - v[:, 10, 6]) / 2 for v in (x, y))
    assert torch.allclose(dx**2 + dy**2, torch.ones(300), atol=1e-3)
    angle = torch.rad2deg(torch.atan2(dy, dx))
    assert -20.001 <= angle.min() < -18
    assert 18 < angle.max() <= 20.001
    # and downwards, at right angles to it
    ex, ey = ((v[:, 11, 7] - v[:, 9, 7]) / 2 for v in (x, y))
    assert torch.allclose(dx * ex + dy * ey, torch.zeros(300), atol=1e-3)
    assert torch.allclose(dx * ey - dy * ex, torch.ones(300), atol=1e-3), "turned, not mirrored"


def test_rotation_repeats_the_edge() -> None:
    images = torch.full((50, HEIGHT, WIDTH, 3), 90, dtype=torch.uint8)
    result = run(images, Augmentation(mirror=False, rotation=45, zoom=0.5))
    assert torch.allclose(result, torch.tensor(90.0))


def test_what_enters_is_black_as_in_a_crop_of_a_padded_image() -> None:
    images = torch.randint(1, 256, (40, 5, 7, 3), dtype=torch.uint8)
    settings = Augmentation(mirror=False, shift=2, padding="zero")
    found = augment(images, settings, torch.Generator().manual_seed(0)).permute(0, 2, 3, 1)
    padded = torch.nn.functional.pad(images, (0, 0, 2, 2, 2, 2))
    crops = [(top, left) for top in range(5) for left in range(5)]
    seen = set()
    for image, result in zip(padded, found, strict=True):
        matching = [
            (top, left)
            for top, left in crops
            if torch.equal(image[top : top + 5, left : left + 7].float(), result)
        ]
        assert len(matching) == 1
        seen |= set(matching)
    assert len(seen) > 15  # of 25 places
    # the same numbers are drawn as where the edge is repeated
    edge = augment(images, Augmentation(mirror=False, shift=2), torch.Generator().manual_seed(0))
    inside = found.permute(0, 3, 1, 2) != 0
    assert torch.equal(edge[inside], found.permute(0, 3, 1, 2)[inside])
