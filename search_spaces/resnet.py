"""ResNet: stages of basic or bottleneck residual blocks; without shortcuts, the plain network.

Source: He et al. (2015); the blocks of *Dive into Deep Learning* 8.6 (convolution biases, no norm on the 1x1 shortcut).
D2L builds only ResNet-18: `resnet34` to `resnet152` use its block conventions. The `-torchvision` twins use those of
torchvision, and are checked against its published counts.
`resnet-small`: a 3x3 stem with one pool instead of conv 7 s2 and pool, so that the stages work on 14, 7 and 4 pixels;
one basic block per stage; torchvision's conventions.
"""

from typing import Literal

from pydantic.dataclasses import dataclass
from torch import nn

from pipeline.schema import STRICT
from search_spaces import _residual
from search_spaces._base import Answers, Family, Reference, check_depths, check_widths, choose, require
from search_spaces._ledger import Ledger
from search_spaces._residual import Residual, Stage, Stem


@dataclass(frozen=True, config=STRICT)
class Config:
    """Stage i has `depths[i]` blocks of `widths[i]` output channels; all stages except the first halve the map.

    A bottleneck block's inner width is a quarter of its output.
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    block: Literal["basic", "bottleneck"] = "basic"
    shortcut: bool = True
    stem: Stem = "imagenet"
    stem_width: int = 64
    conv_bias: bool = False
    shortcut_norm: bool = True

    def __post_init__(self) -> None:
        check_widths("widths", self.widths)
        check_widths("stem_width", (self.stem_width,))
        check_depths("depths", self.depths, count=len(self.widths))
        if self.block == "bottleneck":
            for width in self.widths:
                require(width % 4 == 0, f"widths (={self.widths}) of bottleneck blocks must be divisible by 4")


def sample(answers: Answers) -> Config:
    """Two to four stages of one to three blocks, shortcut on or off.

    These are 74,304 networks, 0.3 to 207 MMACs at 28 pixels.
    """
    stages = answers.suggest_int("stages", 2, 4)
    block: Literal["basic", "bottleneck"] = choose(answers, "block", ["basic", "bottleneck"])
    width = answers.suggest_int("width_1", 8, 32, step=8) * (4 if block == "bottleneck" else 1)
    widths = [width]
    for stage in range(2, stages + 1):
        widths.append(widths[-1] * answers.suggest_int(f"widening_{stage}", 1, 2))
    return Config(
        depths=tuple(answers.suggest_int(f"depth_{stage}", 1, 3) for stage in range(1, stages + 1)),
        widths=tuple(widths),
        block=block,
        shortcut=choose(answers, "shortcut", [True, False]),
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
        Stage(depth, width, 1 if position == 0 else 2, width // 4 if config.block == "bottleneck" else None)
        for position, (depth, width) in enumerate(zip(config.depths, config.widths, strict=True))
    )
    return Residual(config.stem, config.stem_width, stages, config.shortcut, config.conv_bias, config.shortcut_norm)


def _d2l(depths: tuple[int, ...], block: Literal["basic", "bottleneck"], shortcut: bool = True) -> Config:
    return Config(depths, _published_widths(block), block, shortcut, conv_bias=True, shortcut_norm=False)


def _torchvision(depths: tuple[int, ...], block: Literal["basic", "bottleneck"]) -> Config:
    return Config(depths, _published_widths(block), block)


def _published_widths(block: str) -> tuple[int, ...]:
    return (64, 128, 256, 512) if block == "basic" else (256, 512, 1024, 2048)


_18, _34, _101, _152 = (2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)

REFERENCES = {
    "resnet18": Reference(_d2l(_18, "basic"), 96, 11_178_378, 318_657_536, "D2L 8.6"),
    "plain18": Reference(_d2l(_18, "basic", shortcut=False), 96, 11_005_450, 315_118_592, "D2L 8.6 without shortcuts"),
    "resnet34": Reference(_d2l(_34, "basic"), 96, 21_290_250, 658_396_160, "ResNet paper, table 1, D2L's block"),
    "resnet50": Reference(
        _d2l(_34, "bottleneck"), 96, 23_541_130, 736_268_288, "ResNet paper, table 1, D2L's conventions"
    ),
    "resnet101": Reference(
        _d2l(_101, "bottleneck"), 96, 42_559_370, 1_418_104_832, "ResNet paper, table 1, D2L's conventions"
    ),
    "resnet152": Reference(
        _d2l(_152, "bottleneck"), 96, 58_226_058, 2_099_941_376, "ResNet paper, table 1, D2L's conventions"
    ),
    "resnet18-torchvision": Reference(
        _torchvision(_18, "basic"), 96, 11_175_370, 318_657_536, "torchvision", torchvision="resnet18"
    ),
    "resnet34-torchvision": Reference(
        _torchvision(_34, "basic"), 96, 21_283_530, 658_396_160, "torchvision", torchvision="resnet34"
    ),
    "resnet50-torchvision": Reference(
        _torchvision(_34, "bottleneck"), 96, 23_522_250, 736_268_288, "torchvision", torchvision="resnet50"
    ),
    "resnet101-torchvision": Reference(
        _torchvision(_101, "bottleneck"), 96, 42_514_378, 1_418_104_832, "torchvision", torchvision="resnet101"
    ),
    "resnet152-torchvision": Reference(
        _torchvision(_152, "bottleneck"), 96, 58_158_026, 2_099_941_376, "torchvision", torchvision="resnet152"
    ),
    "resnet-small": Reference(
        Config((1, 1, 1), (16, 32, 64), stem="pooled", stem_width=16), 28, 77_754, 2_636_672, "this project"
    ),
}

FAMILY = Family("resnet", "ResNet", Config, sample, build, walk, REFERENCES)
