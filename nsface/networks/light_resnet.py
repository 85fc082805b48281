"""A light residual network (ReLU and batch normalisation) for small sets of faces and for CPUs."""

from __future__ import annotations

from torch import Tensor, nn

from nsface.networks.sizes import strided_map


class Unit(nn.Module):
    """Two 3×3 convolutions, the first of `stride`, beside which the input passes on, projected where it must be."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.project: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.project = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.project(x))  # type: ignore[no-any-return]


class LightResNet(nn.Module):
    def __init__(
        self,
        *,
        height: int,
        width: int,
        embedding_size: int = 512,
        stem: int = 32,
        s2: bool = False,
        widths: list[int] = [64, 128, 256],
        units: list[int] = [1, 1, 1],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if s2:
            conv = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        else:
            conv = nn.Conv2d(3, stem, 5, 4, 1, bias=False)
        self.stem = nn.Sequential(conv, nn.BatchNorm2d(stem), nn.ReLU(True))
        inputs = stem
        stages: list[nn.Module] = []
        for stage, (outputs, count) in enumerate(zip(widths, units, strict=True)):
            for unit in range(count):
                stages.append(Unit(inputs, outputs, 2 if unit == 0 and (s2 or stage > 0) else 1))
                inputs = outputs
        self.stages = nn.Sequential(*stages)
        rows, columns = strided_map(height, width)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(inputs * rows * columns, embedding_size, bias=False)
        self.bn = nn.BatchNorm1d(embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages(self.stem(images)).flatten(1)
        return self.bn(self.fc(self.dropout(x)))
