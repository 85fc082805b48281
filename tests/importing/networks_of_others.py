"""The networks of arcface_torch and AdaFace written down a second time."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}


class ArcFaceUnit(nn.Module):
    """bn1, conv1, bn2, prelu, conv2 (stride), bn3; downsample.{0,1} in the first unit of a stage."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs, eps=1e-5)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps=1e-5)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs, eps=1e-5)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs, eps=1e-5)
            )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return y + (x if self.downsample is None else self.downsample(x))


class ArcFaceNetwork(nn.Module):
    """conv1 bn1 prelu layer1…4 bn2 dropout fc features, of arcface_torch."""

    def __init__(self, depth: int, dimensions: int = 512, cells: int = 49) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64, eps=1e-5)
        self.prelu = nn.PReLU(64)
        inputs = 64
        for number, (outputs, units) in enumerate(zip((64, 128, 256, 512), UNITS[depth], strict=True), 1):
            stage = [ArcFaceUnit(inputs, outputs, 2)]
            stage += [ArcFaceUnit(outputs, outputs, 1) for _ in range(1, units)]
            self.add_module(f"layer{number}", nn.Sequential(*stage))
            inputs = outputs
        self.bn2 = nn.BatchNorm2d(512, eps=1e-5)
        self.dropout = nn.Dropout(p=0.0, inplace=True)
        self.fc = nn.Linear(512 * cells, dimensions)
        self.features = nn.BatchNorm1d(dimensions, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu(self.bn1(self.conv1(x)))
        for number in (1, 2, 3, 4):
            x = getattr(self, f"layer{number}")(x)
        out: Tensor = self.features(self.fc(self.dropout(torch.flatten(self.bn2(x), 1))))
        return out


class AdaFaceUnit(nn.Module):
    """shortcut_layer and res_layer; with `squeeze`, the weights of a squeeze-and-excitation block too."""

    def __init__(self, inputs: int, outputs: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if inputs != outputs:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, outputs, (1, 1), stride, bias=False), nn.BatchNorm2d(outputs)
            )
        layers: list[tuple[str, nn.Module]] = [
            ("0", nn.BatchNorm2d(inputs)),
            ("1", nn.Conv2d(inputs, outputs, (3, 3), (1, 1), 1, bias=False)),
            ("2", nn.BatchNorm2d(outputs)),
            ("3", nn.PReLU(outputs)),
            ("4", nn.Conv2d(outputs, outputs, (3, 3), stride, 1, bias=False)),
            ("5", nn.BatchNorm2d(outputs)),
        ]
        if squeeze:
            layers.append(("se_block", nn.Conv2d(outputs, outputs, 1)))
        self.res_layer = nn.Sequential(OrderedDict(layers))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return out


class AdaFaceNetwork(nn.Module):
    """input_layer, body, output_layer; the embedding divided by its norm, and the norm."""

    def __init__(self, depth: int, dimensions: int = 512, cells: int = 49, squeeze: bool = False) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, 64, (3, 3), 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(512 * cells, dimensions),
            nn.BatchNorm1d(dimensions, affine=False),
        )
        body, inputs = [], 64
        for outputs, units in zip((64, 128, 256, 512), UNITS[depth], strict=True):
            for unit in range(units):
                body.append(AdaFaceUnit(inputs, outputs, 1 if unit else 2, squeeze))
                inputs = outputs
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.output_layer(self.body(self.input_layer(x)))
        norm = torch.norm(x, 2, 1, True)
        return x / norm, norm


def shuffled(network: nn.Module, seed: int = 0) -> nn.Module:
    """`network` in eval mode with weights and running statistics that leave no layer without effect."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            value.fill_(7)
        elif name.endswith("running_var") or (value.ndim == 1 and name.endswith("weight")):
            value.copy_(torch.rand(value.shape, generator=generator) * 0.5 + 0.5)
        elif value.ndim == 1:
            value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
        else:
            fan = value[0].numel()
            value.copy_(F.normalize(torch.randn(value.shape, generator=generator).flatten(1)).view_as(value))
            assert fan
    return network.eval()
