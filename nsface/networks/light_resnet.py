"""A light residual network for small sets of faces and for CPUs."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nsface.networks.sizes import strided_map


class Unit(nn.Module):
    """Two 3×3 convolutions, the first with `stride`, around which the input goes on (projected)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.act1 = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.act2 = nn.PReLU(outputs)
        self.project = nn.Identity() if stride == 1 and inputs == outputs else Projection(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act1(self.bn1(self.conv1(x)))
        return self.act2(self.bn2(self.conv2(y)) + self.project(x))


class Projection(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(
            nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )


class LightResNet(nn.Module):
    def __init__(
        self,
        *,
        height: int,
        width: int,
        embedding_size: int = 512,
        widths: list[int] = [24, 48, 96, 192],
        units: list[int] = [0, 1, 1, 1],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.PReLU(widths[0])
        )
        inputs = widths[0]
        stages: list[nn.Module] = []
        for stage, (outputs, count) in enumerate(zip(widths, units, strict=True)):
            for unit in range(count):
                stages.append(Unit(inputs, outputs, 2 if unit == 0 and stage > 0 else 1))
                inputs = outputs
        self.stages = nn.Sequential(*stages)
        rows, columns = strided_map(height, width)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(inputs * rows * columns, embedding_size, bias=False)
        self.bn = nn.BatchNorm1d(embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages(self.stem(images)).flatten(1)
        return self.bn(self.fc(self.dropout(x)))
