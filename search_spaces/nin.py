"""NiN (network in network): convolutions followed by 1x1 layers, without dense layers.

Source: Lin et al. (2013), in the form of *Dive into Deep Learning* 8.3. There the last block applies ReLU to
the logits, and trainings can get stuck at a loss of ln(classes). `logits_relu` keeps this for the source's reference.
`nin-small`: kernels 5, 3, 3 with stride 1 for 28 and 32 pixels, thinner, with batch norm, without ReLU on the logits.
"""

from typing import Literal

from pydantic.dataclasses import dataclass
from torch import nn

from pipeline.schema import STRICT
from search_spaces._base import (
    Answers,
    Family,
    Reference,
    check_kernels,
    check_share,
    check_widths,
    choose,
    pooling_head,
    require,
)
from search_spaces._ledger import Ledger


@dataclass(frozen=True, config=STRICT)
class Config:
    """Blocks of a convolution and `pointwise` 1x1 layers, each except the last followed by a 3/2 max-pool.

    The first convolution has the stride `first_stride`, and no padding if that exceeds 1, as in the source. The others
    keep the side. The head is another block with `num_classes` channels, averaged over the map ("pool"),
    or a dense layer on the flattened map ("dense") or on the map's average ("average").
    """

    widths: tuple[int, ...] = (96, 256, 384)
    kernels: tuple[int, ...] = (11, 5, 3)
    first_stride: int = 4
    pointwise: int = 2
    dropout: float = 0.5
    head: Literal["pool", "dense", "average"] = "pool"
    norm: bool = False
    logits_relu: bool = True

    def __post_init__(self) -> None:
        check_widths("widths", self.widths)
        check_kernels("kernels", self.kernels, count=len(self.widths))
        for kernel in self.kernels:
            require(kernel % 2 == 1, f"kernels (={self.kernels}) must be odd")
        require(1 <= self.first_stride <= 4, f"first_stride (={self.first_stride}) must be between 1 and 4")
        require(0 <= self.pointwise <= 8, f"pointwise (={self.pointwise}) must be between 0 and 8")
        check_share("dropout", self.dropout)
        require(
            self.head == "pool" or not self.logits_relu,
            f"logits_relu (=True) needs head (={self.head!r}) to be 'pool'",
        )


def sample(answers: Answers) -> Config:
    """Two or three blocks, 0 to 3 pointwise layers, either head: 78,336 networks, 0.5 to 54 MMACs at 28 pixels."""
    blocks = answers.suggest_int("blocks", 2, 3)
    return Config(
        widths=tuple(
            answers.suggest_int(f"width_{block}", 16, 32 * (block + 1), step=16) for block in range(1, blocks + 1)
        ),
        kernels=tuple(choose(answers, f"kernel_{block}", [3, 5]) for block in range(1, blocks + 1)),
        first_stride=1,
        pointwise=answers.suggest_int("pointwise", 0, 3),
        dropout=choose(answers, "dropout", [0.0, 0.25, 0.5]),
        head=choose(answers, "head", ["pool", "dense"]),
        norm=choose(answers, "norm", [False, True]),
        logits_relu=False,
    )


def build(config: Config, in_channels: int, num_classes: int) -> nn.Module:
    """The network as a Sequential: (N, in_channels, H, W) -> (N, num_classes)."""
    layers: list[nn.Module] = []
    width_in = in_channels
    for position, (width, kernel) in enumerate(zip(config.widths, config.kernels, strict=True)):
        stride, padding = _geometry(config, position)
        layers += [nn.MaxPool2d(3, 2)] if position else []
        layers += _block(width_in, width, kernel, stride, padding, config.pointwise, config.norm)
        width_in = width
    layers.append(nn.MaxPool2d(3, 2))
    layers += [nn.Dropout(config.dropout)] if config.dropout else []
    if config.head == "dense":
        return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(num_classes))
    if config.head == "average":
        return nn.Sequential(*layers, *pooling_head(width_in, num_classes))
    head = _block(width_in, num_classes, 3, 1, 1, config.pointwise, config.norm)
    if not config.logits_relu:  # the block ends in convolution, (norm,) ReLU: keep the convolution as logits
        del head[-2 if config.norm else -1 :]
    return nn.Sequential(*layers, *head, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def walk(config: Config, ledger: Ledger, num_classes: int) -> None:
    """Add the network's cost to the ledger."""
    for position, (width, kernel) in enumerate(zip(config.widths, config.kernels, strict=True)):
        stride, padding = _geometry(config, position)
        if position:
            ledger.pool(3, 2)
        _walk_block(ledger, width, kernel, stride, padding, config.pointwise, config.norm)
    ledger.pool(3, 2)
    if config.head == "dense":
        ledger.dense(num_classes)
    elif config.head == "average":
        ledger.global_pool().dense(num_classes)
    else:
        _walk_block(ledger, num_classes, 3, 1, 1, config.pointwise, config.norm, config.logits_relu)
        ledger.global_pool()


def _geometry(config: Config, position: int) -> tuple[int, int]:
    """(stride, padding) of a block's convolution."""
    if position == 0 and config.first_stride > 1:
        return config.first_stride, 0
    return 1, config.kernels[position] // 2


def _block(
    width_in: int, width: int, kernel: int, stride: int, padding: int, pointwise: int, norm: bool
) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for convolution in (
        nn.Conv2d(width_in, width, kernel, stride, padding),
        *(nn.Conv2d(width, width, 1) for _ in range(pointwise)),
    ):
        layers.append(convolution)
        layers += [nn.BatchNorm2d(width)] if norm else []
        layers.append(nn.ReLU(inplace=True))
    return layers


def _walk_block(
    ledger: Ledger, width: int, kernel: int, stride: int, padding: int, pointwise: int, norm: bool, last: bool = True
) -> None:
    """`last` says whether the last convolution is followed by norm and ReLU, like the others."""
    ledger.conv(width, kernel, stride, padding)
    for _ in range(pointwise):
        if norm:
            ledger.norm()
        ledger.conv(width, 1)
    if norm and last:
        ledger.norm()


REFERENCES = {
    "nin": Reference(Config(), 224, 1_992_166, 762_297_352, "D2L 8.3"),
    "nin-small": Reference(
        Config(widths=(16, 32, 64), kernels=(5, 3, 3), first_stride=1, norm=True, logits_relu=False),
        28,
        41_230,
        2_822_176,
        "this project",
    ),
}

FAMILY = Family("nin", "NiN", Config, sample, build, walk, REFERENCES)
