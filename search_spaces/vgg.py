"""VGG: blocks of 3x3 convolutions, each followed by a max-pool that halves the map, and AlexNet's dense head.

Source: Simonyan & Zisserman (2014); VGG-11 and its narrow form (widths / 4) as in *Dive into Deep Learning* 8.2.
`vgg-small`: three blocks, since 28 and 32 pixels can be halved three times with a 3x3 or 4x4 map left; a head of 128.
"""

from pydantic.dataclasses import dataclass
from torch import nn

from pipeline.schema import STRICT
from search_spaces._base import (
    Answers,
    Family,
    Reference,
    check_depths,
    check_kernels,
    check_share,
    check_widths,
    choose,
    dense_head,
    require,
)
from search_spaces._ledger import Ledger


@dataclass(frozen=True, config=STRICT)
class Config:
    """Block i is `depths[i]` convolutions of `widths[i]` channels and a 2/2 max-pool; `norm`: batch norm.

    `kernel` is 3 in VGG; other values are for comparisons.
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    dense_widths: tuple[int, ...] = (4096, 4096)
    dropout: float = 0.5
    norm: bool = False
    kernel: int = 3

    def __post_init__(self) -> None:
        check_widths("widths", self.widths)
        check_depths("depths", self.depths, count=len(self.widths))
        if self.dense_widths:
            check_widths("dense_widths", self.dense_widths)
        check_share("dropout", self.dropout)
        check_kernels("kernel", (self.kernel,), count=1)
        require(self.kernel % 2 == 1, f"kernel (={self.kernel}) must be odd")


def sample(answers: Answers) -> Config:
    """Two to four blocks of one to three convolutions, widths kept or doubled, with and without batch norm.

    These are 61,920 networks, 0.2 to 64 MMACs at 28 pixels.
    """
    blocks = answers.suggest_int("blocks", 2, 4)
    widths = [answers.suggest_int("width_1", 8, 32, step=8)]
    for block in range(2, blocks + 1):
        widths.append(widths[-1] * answers.suggest_int(f"widening_{block}", 1, 2))
    hidden = choose(answers, "dense", [0, 64, 128, 256])
    return Config(
        depths=tuple(answers.suggest_int(f"depth_{block}", 1, 3) for block in range(1, blocks + 1)),
        widths=tuple(widths),
        dense_widths=(hidden,) if hidden else (),
        dropout=choose(answers, "dropout", [0.0, 0.25, 0.5]) if hidden else 0.0,
        norm=choose(answers, "norm", [False, True]),
    )


def build(config: Config, in_channels: int, num_classes: int) -> nn.Module:
    """The network as a Sequential: (N, in_channels, H, W) -> (N, num_classes)."""
    layers: list[nn.Module] = []
    width_in = in_channels
    for depth, width in zip(config.depths, config.widths, strict=True):
        for _ in range(depth):
            layers.append(nn.Conv2d(width_in, width, config.kernel, padding=config.kernel // 2))
            layers += [nn.BatchNorm2d(width)] if config.norm else []
            layers.append(nn.ReLU(inplace=True))
            width_in = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, *dense_head(config.dense_widths, num_classes, config.dropout))


def walk(config: Config, ledger: Ledger, num_classes: int) -> None:
    """Add the network's cost to the ledger."""
    for depth, width in zip(config.depths, config.widths, strict=True):
        for _ in range(depth):
            ledger.conv(width, config.kernel, padding=config.kernel // 2)
            if config.norm:
                ledger.norm()
        ledger.pool(2, 2)
    for width in (*config.dense_widths, num_classes):
        ledger.dense(width)


FULL = (64, 128, 256, 512, 512)

REFERENCES = {
    "vgg11": Reference(Config((1, 1, 2, 2, 2), FULL), 224, 128_806_154, 7_547_232_256, "D2L 8.2", torchvision="vgg11"),
    "vgg13": Reference(
        Config((2, 2, 2, 2, 2), FULL), 224, 128_990_666, 11_246_608_384, "VGG paper, table 1 B", torchvision="vgg13"
    ),
    "vgg16": Reference(
        Config((2, 2, 3, 3, 3), FULL), 224, 134_300_362, 15_408_406_528, "VGG paper, table 1 D", torchvision="vgg16"
    ),
    "vgg19": Reference(
        Config((2, 2, 4, 4, 4), FULL), 224, 139_610_058, 19_570_204_672, "VGG paper, table 1 E", torchvision="vgg19"
    ),
    "vgg11-narrow": Reference(
        Config((1, 1, 2, 2, 2), (16, 32, 64, 128, 128)),
        224,
        43_093_322,
        512_155_648,
        "D2L 8.2.3",
    ),
    "vgg-small": Reference(
        Config((1, 1, 2), (16, 32, 64), dense_widths=(128,), norm=True), 28, 135_722, 3_800_576, "this project"
    ),
}

FAMILY = Family("vgg", "VGG", Config, sample, build, walk, REFERENCES)
