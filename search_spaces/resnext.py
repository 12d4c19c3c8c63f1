"""ResNeXt: ResNet's bottleneck with a grouped 3x3 convolution; `groups` is its cardinality.

Source: Xie et al. (2016). *Dive into Deep Learning* 8.6.5 uses the name `groups` for the group width (it passes
groups = b // groups). Here `groups` is the number of groups, and `group_width` the channels of each.
`resnext-small`: a 3x3 stem with one pool, then three stages on 14, 7 and 4 pixels; 4 groups of 4, 8 and 16.
"""

from pydantic.dataclasses import dataclass
from torch import nn

from pipeline.schema import STRICT
from search_spaces import _residual
from search_spaces._base import Answers, Family, Reference, check_depths, check_widths, choose, require
from search_spaces._ledger import Ledger
from search_spaces._residual import Residual, Stage, Stem


@dataclass(frozen=True, config=STRICT)
class Config:
    """Stage i has `depths[i]` blocks of `widths[i]` output channels and round(width * bottleneck_ratio) inner ones.

    Without `mixing` the 1x1 convolutions are also grouped, so that groups exchange no information within a block.
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    groups: int = 32
    bottleneck_ratio: float = 0.5
    stem: Stem = "imagenet"
    stem_width: int = 64
    conv_bias: bool = False
    shortcut_norm: bool = True
    mixing: bool = True

    def __post_init__(self) -> None:
        check_widths("widths", self.widths)
        check_widths("stem_width", (self.stem_width,))
        check_depths("depths", self.depths, count=len(self.widths))
        require(0 < self.bottleneck_ratio <= 4, f"bottleneck_ratio (={self.bottleneck_ratio}) must be in (0, 4]")
        require(self.groups >= 1, f"groups (={self.groups}) must be at least 1")
        for inner in self.bottleneck_widths:
            require(inner >= 1, f"bottleneck_ratio (={self.bottleneck_ratio}) must leave a width of at least 1")
            require(inner % self.groups == 0, f"groups (={self.groups}) must divide the bottleneck width (={inner})")
        if not self.mixing:
            for width in (self.stem_width, *self.widths):
                require(width % self.groups == 0, f"groups (={self.groups}) must divide every width (={width})")

    @property
    def bottleneck_widths(self) -> tuple[int, ...]:
        """Inner width of each stage's blocks."""
        return tuple(round(width * self.bottleneck_ratio) for width in self.widths)

    @property
    def group_widths(self) -> tuple[int, ...]:
        """Channels of each group, one number per stage."""
        return tuple(inner // self.groups for inner in self.bottleneck_widths)


def sample(answers: Answers) -> Config:
    """Two to four stages, 1 to 16 groups, inner width half or all: 92,880 networks, 0.4 to 471 MMACs at 28 pixels."""
    stages = answers.suggest_int("stages", 2, 4)
    widths = [answers.suggest_int("width_1", 32, 64, step=32)]
    for stage in range(2, stages + 1):
        widths.append(widths[-1] * answers.suggest_int(f"widening_{stage}", 1, 2))
    return Config(
        depths=tuple(answers.suggest_int(f"depth_{stage}", 1, 3) for stage in range(1, stages + 1)),
        widths=tuple(widths),
        groups=choose(answers, "groups", [1, 2, 4, 8, 16]),
        bottleneck_ratio=choose(answers, "bottleneck_ratio", [0.5, 1.0]),
        stem=choose(answers, "stem", ["small", "pooled"]),
        stem_width=choose(answers, "stem_width", [8, 16, 32]),
    )


def build(config: Config, in_channels: int, num_classes: int) -> nn.Module:
    """The network as a Sequential: (N, in_channels, H, W) -> (N, num_classes)."""
    return _residual.build(_network(config), in_channels, num_classes)


def walk(config: Config, ledger: Ledger, num_classes: int) -> None:
    """Add the network's cost to the ledger."""
    _residual.walk(_network(config), ledger, num_classes)


def _network(config: Config) -> Residual:
    stages = tuple(
        Stage(depth, width, 1 if position == 0 else 2, inner, config.groups, config.mixing)
        for position, (depth, width, inner) in enumerate(
            zip(config.depths, config.widths, config.bottleneck_widths, strict=True)
        )
    )
    return Residual(
        config.stem, config.stem_width, stages, conv_bias=config.conv_bias, shortcut_norm=config.shortcut_norm
    )


REFERENCES = {
    "resnext50-32x4d": Reference(
        Config((3, 4, 6, 3), (256, 512, 1024, 2048)),
        96,
        22_994_122,
        762_220_544,
        "torchvision",
        torchvision="resnext50_32x4d",
    ),
    "resnext-small": Reference(
        Config((1, 1, 1), (32, 64, 128), groups=4, stem="pooled", stem_width=16), 28, 41_786, 1_602_560, "this project"
    ),
}

FAMILY = Family("resnext", "ResNeXt", Config, sample, build, walk, REFERENCES)
