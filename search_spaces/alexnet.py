"""AlexNet: five convolutions with shrinking kernels, three max-pools, two wide dense layers with dropout.

Source: Krizhevsky et al. (2012), in the form of *Dive into Deep Learning* 8.1 (one tower, no local response norm).
`alexnet-small` is the source's exercise "AlexNet for 28x28". The first kernel, 11x11 with stride 4 for 224 pixels,
becomes 5x5 with stride 1. The second becomes 3x3. Widths are at most a quarter of the original. The dense layers, with
92 % of the original's parameters, shrink from 4,096 to 128.
"""

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
    dense_head,
    require,
)
from search_spaces._ledger import Ledger

POOLED_AFTER = (0, 1, 4)


@dataclass(frozen=True, config=STRICT)
class Config:
    """Five convolutions (the last four padded to keep the side), with a 3/2 max-pool after the 1st, 2nd and 5th."""

    widths: tuple[int, ...] = (96, 256, 384, 384, 256)
    kernels: tuple[int, ...] = (11, 5, 3, 3, 3)
    first_stride: int = 4
    first_padding: int = 1
    dense_widths: tuple[int, ...] = (4096, 4096)
    dropout: float = 0.5

    def __post_init__(self) -> None:
        check_widths("widths", self.widths, count=5)
        check_kernels("kernels", self.kernels, count=5)
        for kernel in self.kernels[1:]:
            require(kernel % 2 == 1, f"kernels (={self.kernels}) after the first must be odd")
        check_widths("dense_widths", self.dense_widths, count=2)
        check_share("dropout", self.dropout)
        require(1 <= self.first_stride <= 4, f"first_stride (={self.first_stride}) must be between 1 and 4")
        require(
            0 <= self.first_padding <= self.kernels[0] // 2,
            f"first_padding (={self.first_padding}) must be at most half the first kernel (={self.kernels[0]})",
        )


def sample(answers: Answers) -> Config:
    """Kernels 3 or 5, widths, dense widths, dropout: 110,592 networks, 1.1 to 23 MMACs at 28 pixels."""
    first = choose(answers, "kernel_1", [3, 5])
    return Config(
        widths=(
            answers.suggest_int("width_1", 8, 32, step=8),
            answers.suggest_int("width_2", 16, 64, step=16),
            answers.suggest_int("width_3", 32, 128, step=32),
            answers.suggest_int("width_4", 32, 128, step=32),
            answers.suggest_int("width_5", 32, 128, step=32),
        ),
        kernels=(first, choose(answers, "kernel_2", [3, 5]), 3, 3, 3),
        first_stride=1,
        first_padding=first // 2,
        dense_widths=(
            choose(answers, "dense_1", [64, 128, 256]),
            choose(answers, "dense_2", [64, 128, 256]),
        ),
        dropout=choose(answers, "dropout", [0.0, 0.25, 0.5]),
    )


def build(config: Config, in_channels: int, num_classes: int) -> nn.Module:
    """The network as a Sequential: (N, in_channels, H, W) -> (N, num_classes)."""
    layers: list[nn.Module] = []
    width_in = in_channels
    for position, (width, kernel, stride, padding) in enumerate(_convolutions(config)):
        layers += [nn.Conv2d(width_in, width, kernel, stride, padding), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(3, 2)] if position in POOLED_AFTER else []
        width_in = width
    return nn.Sequential(*layers, *dense_head(config.dense_widths, num_classes, config.dropout))


def walk(config: Config, ledger: Ledger, num_classes: int) -> None:
    """Add the network's cost to the ledger."""
    for position, (width, kernel, stride, padding) in enumerate(_convolutions(config)):
        ledger.conv(width, kernel, stride, padding)
        if position in POOLED_AFTER:
            ledger.pool(3, 2)
    for width in (*config.dense_widths, num_classes):
        ledger.dense(width)


def _convolutions(config: Config) -> list[tuple[int, int, int, int]]:
    """(width, kernel, stride, padding) of the five convolutions."""
    first = (config.widths[0], config.kernels[0], config.first_stride, config.first_padding)
    later = zip(config.widths[1:], config.kernels[1:], strict=True)
    return [first, *((width, kernel, 1, kernel // 2) for width, kernel in later)]


REFERENCES = {
    "alexnet": Reference(Config(), 224, 46_764_746, 938_146_176, "D2L 8.1"),
    "alexnet-small": Reference(
        Config(
            widths=(16, 32, 48, 48, 48),
            kernels=(5, 3, 3, 3, 3),
            first_stride=1,
            first_padding=2,
            dense_widths=(128, 128),
        ),
        28,
        103_002,
        3_125_248,
        "this project",
    ),
}

FAMILY = Family("alexnet", "AlexNet", Config, sample, build, walk, REFERENCES)
