"""The residual network that ResNet, ResNeXt and RegNet share: stem, stages of blocks, pooling head.

A family's Config is a small parametrisation. It is turned into an explicit list of stages, from which one function
builds the modules and another counts the cost. Sources: He et al. (2015), Xie et al. (2016), Radosavovic et al. (2020);
*Dive into Deep Learning* 8.6 and 8.8, which differ from torchvision in two ways: convolutions have biases
(`conv_bias`), and ResNet's 1x1 shortcut has no batch norm (`shortcut_norm`).
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from search_spaces._base import pooling_head
from search_spaces._ledger import Ledger

Stem = Literal["imagenet", "regnet", "pooled", "small"]
"""imagenet: conv 7 s2, pool 3/2. regnet: conv 3 s2. pooled: conv 3 s1, pool 3/2. small: conv 3 s1. All with norm, ReLU.

The last two are for 28 and 32 pixels: they halve the image once or not at all before the first stage.
"""


@dataclass(frozen=True)
class Stage:
    """`depth` blocks of `width` output channels, the first of stride `stride`.

    `bottleneck` is None for two 3x3 convolutions, or the width of the (grouped) 3x3 convolution between two 1x1
    convolutions. With `mixing` the 1x1 convolutions are not grouped.
    """

    depth: int
    width: int
    stride: int
    bottleneck: int | None = None
    groups: int = 1
    mixing: bool = True


@dataclass(frozen=True)
class Residual:
    """An explicit residual network, without its head."""

    stem: Stem
    stem_width: int
    stages: tuple[Stage, ...]
    shortcut: bool = True
    conv_bias: bool = False
    shortcut_norm: bool = True


def build(network: Residual, in_channels: int, num_classes: int) -> nn.Sequential:
    """(N, in_channels, H, W) -> (N, num_classes)."""
    layers: list[nn.Module] = [_stem(network, in_channels)]
    width = network.stem_width
    for stage in network.stages:
        blocks = []
        for position in range(stage.depth):
            blocks.append(ResidualBlock(width, stage, stage.stride if position == 0 else 1, network))
            width = stage.width
        layers.append(nn.Sequential(*blocks))
    return nn.Sequential(*layers, *pooling_head(width, num_classes))


def walk(network: Residual, ledger: Ledger, num_classes: int) -> None:
    """Add the network's cost to the ledger."""
    kernel, stride, pooled = _STEMS[network.stem]
    ledger.conv(network.stem_width, kernel, stride, kernel // 2, bias=network.conv_bias).norm()
    if pooled:
        ledger.pool(3, 2, padding=1)
    for stage in network.stages:
        for position in range(stage.depth):
            stride = stage.stride if position == 0 else 1
            if network.shortcut and (stride != 1 or ledger.channels != stage.width):
                groups = _pointwise_groups(stage)
                shortcut = ledger.fork().conv(stage.width, 1, stride, groups=groups, bias=network.conv_bias)
                if network.shortcut_norm:
                    shortcut.norm()
            for out, kernel, step, grouped in _convolutions(stage, stride):
                ledger.conv(out, kernel, step, kernel // 2, grouped, bias=network.conv_bias).norm()
    ledger.global_pool().dense(num_classes)


class ResidualBlock(nn.Module):
    """relu(body(x) + shortcut(x)): (N, width_in, H, W) -> (N, stage.width, H / stride, W / stride), sides rounded up.

    The shortcut is a 1x1 convolution if the shape changes, else the identity. A network may have no shortcuts.
    """

    def __init__(self, width_in: int, stage: Stage, stride: int, network: Residual) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = width_in
        for out, kernel, step, groups in _convolutions(stage, stride):
            layers += [
                nn.Conv2d(width, out, kernel, step, kernel // 2, groups=groups, bias=network.conv_bias),
                nn.BatchNorm2d(out),
                nn.ReLU(inplace=True),
            ]
            width = out
        self.body = nn.Sequential(*layers[:-1])
        self.shortcut: nn.Module | None = None
        if network.shortcut:
            self.shortcut = nn.Identity()
            if stride != 1 or width_in != stage.width:
                grouped = _pointwise_groups(stage)
                projection = nn.Conv2d(width_in, stage.width, 1, stride, groups=grouped, bias=network.conv_bias)
                norm = [nn.BatchNorm2d(stage.width)] if network.shortcut_norm else []
                self.shortcut = nn.Sequential(projection, *norm)

    def forward(self, x: Tensor) -> Tensor:
        """Add the shortcut to the body's output, then apply ReLU."""
        y: Tensor = self.body(x)
        return nn.functional.relu(y if self.shortcut is None else y + self.shortcut(x), inplace=True)


def _convolutions(stage: Stage, stride: int) -> list[tuple[int, int, int, int]]:
    """(out, kernel, stride, groups) of a block's convolutions. In a bottleneck the 3x3 convolution has the stride."""
    if stage.bottleneck is None:
        return [(stage.width, 3, stride, 1), (stage.width, 3, 1, 1)]
    pointwise = _pointwise_groups(stage)
    return [
        (stage.bottleneck, 1, 1, pointwise),
        (stage.bottleneck, 3, stride, stage.groups),
        (stage.width, 1, 1, pointwise),
    ]


def _pointwise_groups(stage: Stage) -> int:
    """Groups of a block's 1x1 convolutions, including that of its shortcut."""
    return 1 if stage.mixing else stage.groups


_STEMS: dict[Stem, tuple[int, int, bool]] = {
    "imagenet": (7, 2, True),
    "regnet": (3, 2, False),
    "pooled": (3, 1, True),
    "small": (3, 1, False),
}
"""(kernel, stride, whether a 3/2 max-pool follows)."""


def _stem(network: Residual, in_channels: int) -> nn.Sequential:
    kernel, stride, pooled = _STEMS[network.stem]
    convolution = nn.Conv2d(in_channels, network.stem_width, kernel, stride, kernel // 2, bias=network.conv_bias)
    pool = [nn.MaxPool2d(3, 2, padding=1)] if pooled else []
    return nn.Sequential(convolution, nn.BatchNorm2d(network.stem_width), nn.ReLU(inplace=True), *pool)
