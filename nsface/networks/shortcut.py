"""The 1×1 convolution of stride 2 of residual shortcuts, computed in a way that is safe on every processor.

PyTorch's own convolution corrupts memory: with few channels, in the channels-last format, its backward pass
in float32 writes beyond its buffers on CPUs (oneDNN: below
8 channels with AVX2; 3, 5, 8, 9 and more numbers of channels with AVX-512; in PyTorch 2.14 and 2.15, on maps
of 112×96 and not on small ones). No network here uses it on a CPU.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SubsampledConv2d(nn.Conv2d):
    """A 1×1 convolution of stride 2 without bias.

    On CPUs it takes every second pixel, and convolves with stride 1; on a GPU it is PyTorch's convolution.

    (B, inputs, H, W) to (B, outputs, ⌈H/2⌉, ⌈W/2⌉). Numbers, and name and shape of its `weight`, are those
    of `nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)`.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        if maps.device.type == "cuda":
            return F.conv2d(maps, self.weight, stride=2)
        # The mean over one pixel is that pixel. maps[:, :, ::2, ::2] gives the same numbers, but costs twice
        # as much as the convolution: its backward pass loses the channels-last format.
        return super().forward(F.avg_pool2d(maps, kernel_size=1, stride=2))
