"""GoogLeNet: stages of Inception blocks, each with four parallel branches, concatenated along channels.

Source: Szegedy et al. (2015), in the form of *Dive into Deep Learning* 8.4 (no auxiliary losses, no batch norm).
`googlenet-small`: at 28 and 32 pixels the source's stem would leave a 4x4 map before the first Inception block. So the
stem is one 3x3 convolution with stride 1 and one max-pool. One block works on 14 pixels, and two on 7. Their 3x3
branches are the widest, as in the source. All convolutions have batch norm, which helps, according to Inception v2.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from pipeline.schema import STRICT
from search_spaces._base import Answers, Family, Reference, check_kernels, check_widths, choose, pooling_head, require
from search_spaces._ledger import Ledger


@dataclass(frozen=True, config=STRICT)
class Inception:
    """Widths of one block's branches: 1x1 | 1x1 -> 3x3 | 1x1 -> 5x5 | max-pool -> 1x1; pairs are (reduced, out)."""

    one: int
    three: tuple[int, int]
    five: tuple[int, int]
    pool: int

    def __post_init__(self) -> None:
        for name, widths in (("one", (self.one,)), ("three", self.three), ("five", self.five), ("pool", (self.pool,))):
            check_widths(name, widths)

    @property
    def width(self) -> int:
        """Channels of the concatenated output."""
        return self.one + self.three[1] + self.five[1] + self.pool


@dataclass(frozen=True, config=STRICT)
class Config:
    """A stem, then stages of Inception blocks with a 3/2 max-pool between stages.

    The stem "imagenet" is conv 7 s2, pool, conv 1, conv 3, pool, with the three `stem_widths`. "small" is one 3x3
    convolution with the single stem width, and a pool. With `auxiliary`, a classifier (global average pool, dense)
    reads the output of each stage except the last, only for the training loss. `kernels` are those of the two wider
    branches; other values than 3 and 5 are for comparisons.
    """

    stages: tuple[tuple[Inception, ...], ...]
    stem: Literal["imagenet", "small"] = "imagenet"
    stem_widths: tuple[int, ...] = (64, 64, 192)
    norm: bool = False
    auxiliary: bool = False
    kernels: tuple[int, ...] = (3, 5)

    def __post_init__(self) -> None:
        require(1 <= len(self.stages) <= 6, f"stages (of {len(self.stages)}) must number between 1 and 6")
        for stage in self.stages:
            require(1 <= len(stage) <= 20, f"stages (one of {len(stage)} blocks) must have 1 to 20 blocks each")
        check_kernels("kernels", self.kernels, count=2)
        require(all(kernel % 2 for kernel in self.kernels), f"kernels (={self.kernels}) must be odd")
        check_widths("stem_widths", self.stem_widths, count=3 if self.stem == "imagenet" else 1)


def sample(answers: Answers) -> Config:
    """One to three stages of one or two blocks: 1,604,340 networks, 0.4 to 56 MMACs at 28 pixels.

    A stage has a total width. Its 3x3 branch gets three to five eighths, and the three others share the rest.
    """
    stages = []
    width = answers.suggest_int("width_1", 32, 96, step=16)
    for stage in range(1, answers.suggest_int("stages", 1, 3) + 1):
        if stage > 1:
            width = int(width * choose(answers, f"widening_{stage}", [1.0, 1.5, 2.0]))
        share = choose(answers, f"three_share_{stage}", [0.375, 0.5, 0.625])
        reduction = choose(answers, f"reduction_{stage}", [0.25, 0.5, 1.0])
        block = _divide(width, share, reduction)
        stages.append((block,) * answers.suggest_int(f"depth_{stage}", 1, 2))
    return Config(
        stages=tuple(stages),
        stem="small",
        stem_widths=(answers.suggest_int("stem_width", 16, 48, step=16),),
        norm=choose(answers, "norm", [False, True]),
    )


def build(config: Config, in_channels: int, num_classes: int) -> nn.Module:
    """The network as a Sequential: (N, in_channels, H, W) -> (N, num_classes)."""
    layers = _stem(config, in_channels)
    width = config.stem_widths[-1]
    heads: dict[int, nn.Module] = {}
    for position, stage in enumerate(config.stages):
        layers += [nn.MaxPool2d(3, 2, padding=1)] if position else []
        for block in stage:
            layers.append(InceptionBlock(width, block, config.norm, config.kernels))
            width = block.width
        if config.auxiliary and position < len(config.stages) - 1:
            heads[len(layers) - 1] = pooling_head(width, num_classes)
    layers += pooling_head(width, num_classes)
    return WithAuxiliary(layers, heads) if config.auxiliary else nn.Sequential(*layers)


def walk(config: Config, ledger: Ledger, num_classes: int) -> None:
    """Add the network's cost to the ledger."""

    def conv(at: Ledger, out: int, kernel: int, stride: int = 1) -> Ledger:
        at.conv(out, kernel, stride, padding=kernel // 2)
        return at.norm() if config.norm else at

    if config.stem == "imagenet":
        first, second, third = config.stem_widths
        conv(ledger, first, 7, stride=2).pool(3, 2, padding=1)
        conv(conv(ledger, second, 1), third, 3).pool(3, 2, padding=1)
    else:
        conv(ledger, config.stem_widths[0], 3).pool(3, 2, padding=1)
    for position, stage in enumerate(config.stages):
        if position:
            ledger.pool(3, 2, padding=1)
        for block in stage:
            ledger.concatenate(
                [
                    conv(ledger.fork(), block.one, 1),
                    conv(conv(ledger.fork(), block.three[0], 1), block.three[1], config.kernels[0]),
                    conv(conv(ledger.fork(), block.five[0], 1), block.five[1], config.kernels[1]),
                    conv(ledger.fork(), block.pool, 1),
                ]
            )
        if config.auxiliary and position < len(config.stages) - 1:
            ledger.fork().global_pool().auxiliary_dense(num_classes)
    ledger.global_pool().dense(num_classes)


class WithAuxiliary(nn.Module):
    """A network with additional heads after some of its layers.

    In train mode (N, C, H, W) -> (logits, *logits of the heads), each (N, classes); in eval mode only the logits.
    """

    def __init__(self, layers: list[nn.Module], heads: Mapping[int, nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.heads = nn.ModuleDict({str(position): head for position, head in heads.items()})

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run the layers in turn, and in train mode the heads on their outputs."""
        further = []
        for position, layer in enumerate(self.layers):
            x = layer(x)
            if self.training and str(position) in self.heads:
                further.append(self.heads[str(position)](x))
        return (x, *further) if self.training else x


class InceptionBlock(nn.Module):
    """(N, width_in, H, W) -> (N, block.width, H, W)."""

    def __init__(self, width_in: int, block: Inception, norm: bool, kernels: tuple[int, ...] = (3, 5)) -> None:
        super().__init__()
        self.one = _conv(width_in, block.one, 1, norm)
        self.three = nn.Sequential(_conv(width_in, block.three[0], 1, norm), _conv(*block.three, kernels[0], norm))
        self.five = nn.Sequential(_conv(width_in, block.five[0], 1, norm), _conv(*block.five, kernels[1], norm))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), _conv(width_in, block.pool, 1, norm))

    def forward(self, x: Tensor) -> Tensor:
        """Run the four branches and concatenate them along channels."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], dim=1)


def _stem(config: Config, in_channels: int) -> list[nn.Module]:
    if config.stem == "small":
        return [_conv(in_channels, config.stem_widths[0], 3, config.norm), nn.MaxPool2d(3, 2, padding=1)]
    first, second, third = config.stem_widths
    return [
        _conv(in_channels, first, 7, config.norm, stride=2),
        nn.MaxPool2d(3, 2, padding=1),
        _conv(first, second, 1, config.norm),
        _conv(second, third, 3, config.norm),
        nn.MaxPool2d(3, 2, padding=1),
    ]


def _conv(width_in: int, width: int, kernel: int, norm: bool, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(width_in, width, kernel, stride, kernel // 2)
    return nn.Sequential(convolution, *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU(inplace=True))


def _divide(width: int, three_share: float, reduction: float) -> Inception:
    """A block of `width` channels: the 5x5 and pool branches get an eighth each, the 1x1 branch the rest."""
    eighth = max(4, width // 8)
    three = int(width * three_share)
    return Inception(
        one=max(4, width - three - 2 * eighth),
        three=(max(4, int(three * reduction)), three),
        five=(max(4, int(eighth * reduction)), eighth),
        pool=eighth,
    )


REFERENCES = {
    "googlenet": Reference(
        Config(
            stages=(
                (Inception(64, (96, 128), (16, 32), 32), Inception(128, (128, 192), (32, 96), 64)),
                (
                    Inception(192, (96, 208), (16, 48), 64),
                    Inception(160, (112, 224), (24, 64), 64),
                    Inception(128, (128, 256), (24, 64), 64),
                    Inception(112, (144, 288), (32, 64), 64),
                    Inception(256, (160, 320), (32, 128), 128),
                ),
                (Inception(256, (160, 320), (32, 128), 128), Inception(384, (192, 384), (48, 128), 128)),
            )
        ),
        96,
        5_977_530,
        276_066_304,
        "D2L 8.4",
    ),
    "googlenet-small": Reference(
        Config(
            stages=(
                (Inception(16, (16, 24), (8, 8), 8),),
                (Inception(24, (24, 40), (8, 16), 16), Inception(32, (32, 64), (8, 16), 16)),
            ),
            stem="small",
            stem_widths=(16,),
            norm=True,
        ),
        28,
        54_386,
        3_507_328,
        "this project",
    ),
}

FAMILY = Family("googlenet", "GoogLeNet", Config, sample, build, walk, REFERENCES)
