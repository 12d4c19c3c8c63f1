"""DenseNet: each layer reads all earlier feature maps of its block, concatenated along channels.

Source: Huang et al. (2017); the form of *Dive into Deep Learning* 8.7 (no 1x1 bottleneck, convolution biases) and
DenseNet-121 as in torchvision (bottleneck of 4 x growth, no biases).
`densenet-small`: a 3x3 stem with one pool instead of conv 7 s2 and pool; three blocks of three layers, growth 12.
"""

from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from pipeline.schema import STRICT
from search_spaces._base import (
    Answers,
    Family,
    Reference,
    check_depths,
    check_widths,
    choose,
    pooling_head,
    require,
)
from search_spaces._ledger import Ledger


@dataclass(frozen=True, config=STRICT)
class Config:
    """Block i has `depths[i]` layers of `growth_rate` new channels. Transitions between blocks halve the map.

    A transition keeps int(width * compression) channels. `bottleneck` x growth_rate is the width of a 1x1 convolution
    before each 3x3 convolution; None: no such convolution.
    """

    growth_rate: int
    depths: tuple[int, ...]
    stem: Literal["imagenet", "pooled"] = "imagenet"
    stem_width: int = 64
    compression: float = 0.5
    bottleneck: int | None = None
    conv_bias: bool = False

    def __post_init__(self) -> None:
        check_widths("growth_rate", (self.growth_rate,))
        check_widths("stem_width", (self.stem_width,))
        require(len(self.depths) > 0, f"depths (={self.depths}) must not be empty")
        check_depths("depths", self.depths, count=len(self.depths))
        require(0 < self.compression <= 1, f"compression (={self.compression}) must be in (0, 1]")
        if self.bottleneck is not None:
            require(1 <= self.bottleneck <= 16, f"bottleneck (={self.bottleneck}) must be between 1 and 16, or null")
        require(
            int(self.stem_width * self.compression) >= 1,
            f"compression (={self.compression}) must leave at least 1 of stem_width (={self.stem_width}) channels",
        )


def sample(answers: Answers) -> Config:
    """Two or three blocks of one to six layers, growth 8 to 32: 47,628 networks, 0.4 to 112 MMACs at 28 pixels."""
    blocks = answers.suggest_int("blocks", 2, 3)
    return Config(
        growth_rate=answers.suggest_int("growth_rate", 8, 32, step=4),
        depths=tuple(answers.suggest_int(f"depth_{block}", 1, 6) for block in range(1, blocks + 1)),
        stem="pooled",
        stem_width=answers.suggest_int("stem_width", 16, 48, step=16),
        compression=choose(answers, "compression", [0.5, 0.75, 1.0]),
        bottleneck=choose(answers, "bottleneck", [None, 2, 4]),
    )


def build(config: Config, in_channels: int, num_classes: int) -> nn.Module:
    """The network as a Sequential: (N, in_channels, H, W) -> (N, num_classes)."""
    kernel, stride = _STEMS[config.stem]
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, config.stem_width, kernel, stride, kernel // 2, bias=config.conv_bias),
        nn.BatchNorm2d(config.stem_width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, padding=1),
    ]
    width = config.stem_width
    for position, depth in enumerate(config.depths):
        if position:
            kept = int(width * config.compression)
            layers += [*_preactivated(width, kept, 1, config), nn.AvgPool2d(2)]
            width = kept
        layers.append(DenseBlock(width, depth, config))
        width += depth * config.growth_rate
    return nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU(inplace=True), *pooling_head(width, num_classes))


def walk(config: Config, ledger: Ledger, num_classes: int) -> None:
    """Add the network's cost to the ledger."""
    kernel, stride = _STEMS[config.stem]
    ledger.conv(config.stem_width, kernel, stride, kernel // 2, bias=config.conv_bias).norm().pool(3, 2, padding=1)
    for position, depth in enumerate(config.depths):
        if position:
            ledger.norm().conv(int(ledger.channels * config.compression), 1, bias=config.conv_bias).pool(2, 2)
        for _ in range(depth):
            layer = ledger.fork().norm()
            if config.bottleneck is not None:
                layer.conv(config.bottleneck * config.growth_rate, 1, bias=config.conv_bias).norm()
            layer.conv(config.growth_rate, 3, padding=1, bias=config.conv_bias)
            ledger.concatenate([ledger.fork(), layer])
    ledger.norm().global_pool().dense(num_classes)


class DenseBlock(nn.Module):
    """(N, width_in, H, W) -> (N, width_in + depth * growth_rate, H, W)."""

    def __init__(self, width_in: int, depth: int, config: Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _layer(width_in + position * config.growth_rate, config) for position in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate each layer's output with its input."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


def _layer(width_in: int, config: Config) -> nn.Sequential:
    if config.bottleneck is None:
        return nn.Sequential(*_preactivated(width_in, config.growth_rate, 3, config))
    inner = config.bottleneck * config.growth_rate
    return nn.Sequential(
        *_preactivated(width_in, inner, 1, config), *_preactivated(inner, config.growth_rate, 3, config)
    )


def _preactivated(width_in: int, width: int, kernel: int, config: Config) -> list[nn.Module]:
    """Batch norm, ReLU, convolution."""
    convolution = nn.Conv2d(width_in, width, kernel, padding=kernel // 2, bias=config.conv_bias)
    return [nn.BatchNorm2d(width_in), nn.ReLU(inplace=True), convolution]


_STEMS = {"imagenet": (7, 2), "pooled": (3, 1)}
"""(kernel, stride) of the stem's convolution; a 3/2 max-pool follows."""

REFERENCES = {
    "densenet": Reference(
        Config(32, (4, 4, 4, 4), conv_bias=True),
        96,
        758_226,
        129_077_168,
        "D2L 8.7",
    ),
    "densenet121": Reference(
        Config(32, (6, 12, 24, 16), bottleneck=4), 96, 6_957_834, 505_931_776, "torchvision", torchvision="densenet121"
    ),
    "densenet-small": Reference(
        Config(12, (3, 3, 3), stem="pooled", stem_width=16), 28, 40_462, 2_979_524, "this project"
    ),
}

FAMILY = Family("densenet", "DenseNet", Config, sample, build, walk, REFERENCES)
