"""The images that a network takes, and how their pixels become its input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

if TYPE_CHECKING:
    from torch import Tensor

MAX_SIDE = 4096  # height or width of an image, in pixels


Channels = float | tuple[float, float, float]


def _by_channel(value: Any) -> Channels:
    """One number for all channels, or three, from what a recipe, a header or a command line gives."""
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    sound = all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers)
    if not sound or len(numbers) != (3 if isinstance(value, list | tuple) else 1):
        raise ValueError("give a finite number, or three of them, one for each channel")
    return (float(numbers[0]), float(numbers[1]), float(numbers[2])) if len(numbers) > 1 else float(value)


def _positive(value: Channels) -> Channels:
    if min(value if isinstance(value, tuple) else (value,)) <= 0:
        raise ValueError("give a number greater than 0, or three of them, one for each channel")
    return value


Mean = Annotated[Channels, BeforeValidator(_by_channel)]
Std = Annotated[Channels, BeforeValidator(_by_channel), AfterValidator(_positive)]


class Preprocessing(BaseModel):
    """The images that a network takes, and how their pixels become its input: (pixel − mean) / std.

    Attributes:
        height, width: in pixels.
        colour: the order of the channels in the network's input. Everything in nsface that holds images holds
            them as RGB; `normalise` exchanges the channels for a network that takes BGR.
        mean, std: in units of pixels in [0, 255]; one number for all channels, or three in the order of
            `colour`. 0 and 1 for a network that normalises pixels itself.
        template: name of the five-point template that the faces are aligned to.

    Example:
        >>> Preprocessing(height=112, width=112, colour="BGR", std=127.5, template="arcface").size
        '112×112'
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    height: int = Field(default=112, ge=1, le=MAX_SIDE)
    width: int = Field(default=96, ge=1, le=MAX_SIDE)
    colour: Literal["RGB", "BGR"] = "RGB"
    mean: Mean = 127.5
    std: Std = 128.0
    template: str = "sphereface"

    @property
    def size(self) -> str:
        """Height × width, for messages."""
        return f"{self.height}×{self.width}"

    def normalise(self, pixels: Tensor) -> Tensor:
        """The network's input of RGB images, floats (…, 3, H, W) with values in [0, 255]."""
        ordered = pixels.flip(-3) if self.colour == "BGR" else pixels
        return (ordered - _shaped(self.mean, pixels)) / _shaped(self.std, pixels)


def _shaped(values: Channels, like: Tensor) -> float | Tensor:
    """One number as it is; three as (3, 1, 1), on the device of `like`."""
    return like.new_tensor(values).reshape(3, 1, 1) if isinstance(values, tuple) else values
