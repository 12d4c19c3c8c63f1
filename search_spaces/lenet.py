"""LeNet-5 and its batch-norm forms.

Source: LeCun et al. (1998), in the form of *Dive into Deep Learning* 7.6 and 8.5 (average pools, plain softmax output).
With `norm`, both convolutions and both hidden dense layers have batch norm, before the activation or, with `norm_last`,
after it. The source's BN-LeNet also drops the first convolution's padding, which changes the flattened size from 400 to
256: `bn-lenet` keeps the padding of LeNet, `bn-lenet-source` is the source's network.
`lenet-small`: LeNet with recommendations of later chapters: ReLU, max-pools, batch norm, and twice the channels.
"""

from typing import Literal

from pydantic.dataclasses import dataclass
from torch import nn

from pipeline.schema import STRICT
from search_spaces._base import Answers, Family, Reference, check_kernels, check_widths, choose, require
from search_spaces._ledger import Ledger

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}
POOLS = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


@dataclass(frozen=True, config=STRICT)
class Config:
    """Two convolutions, each pooled by 2, and two hidden dense layers."""

    widths: tuple[int, ...] = (6, 16)
    kernels: tuple[int, ...] = (5, 5)
    first_padding: int = 2
    dense_widths: tuple[int, ...] = (120, 84)
    activation: Literal["sigmoid", "relu"] = "sigmoid"
    pool: Literal["average", "max"] = "average"
    norm: bool = False
    norm_last: bool = False

    def __post_init__(self) -> None:
        check_widths("widths", self.widths, count=2)
        check_widths("dense_widths", self.dense_widths, count=2)
        check_kernels("kernels", self.kernels, count=2)
        require(
            0 <= self.first_padding <= self.kernels[0] // 2,
            f"first_padding (={self.first_padding}) must be at most half the first kernel (={self.kernels[0]})",
        )


def sample(answers: Answers) -> Config:
    """Kernels, widths, activation, pool and norm: 18,432 networks, 0.1 to 6 MMACs at 28 pixels."""
    kernels = (choose(answers, "kernel_1", [3, 5]), choose(answers, "kernel_2", [3, 5]))
    return Config(
        widths=(answers.suggest_int("width_1", 4, 32, step=4), answers.suggest_int("width_2", 8, 64, step=8)),
        kernels=kernels,
        first_padding=kernels[0] // 2,
        dense_widths=(
            choose(answers, "dense_1", [64, 120, 256]),
            choose(answers, "dense_2", [32, 84, 128]),
        ),
        activation=choose(answers, "activation", ["sigmoid", "relu"]),
        pool=choose(answers, "pool", ["average", "max"]),
        norm=choose(answers, "norm", [False, True]),
    )


def build(config: Config, in_channels: int, num_classes: int) -> nn.Module:
    """The network as a Sequential: (N, in_channels, H, W) -> (N, num_classes)."""
    layers: list[nn.Module] = []
    width_in = in_channels
    for width, kernel, padding in zip(config.widths, config.kernels, (config.first_padding, 0), strict=True):
        layers.append(nn.Conv2d(width_in, width, kernel, padding=padding))
        layers += [*_activated(nn.BatchNorm2d(width), config), POOLS[config.pool](2)]
        width_in = width
    layers.append(nn.Flatten())
    first, second = config.dense_widths
    for dense, width in ((nn.LazyLinear(first), first), (nn.Linear(first, second), second)):
        layers += [dense, *_activated(nn.BatchNorm1d(width), config)]
    layers.append(nn.Linear(second, num_classes))
    return nn.Sequential(*layers)


def _activated(norm: nn.Module, config: Config) -> list[nn.Module]:
    """The activation, with a norm before or after it if the network has norms."""
    activation = ACTIVATIONS[config.activation]()
    if not config.norm:
        return [activation]
    return [activation, norm] if config.norm_last else [norm, activation]


def walk(config: Config, ledger: Ledger, num_classes: int) -> None:
    """Add the network's cost to the ledger."""
    for width, kernel, padding in zip(config.widths, config.kernels, (config.first_padding, 0), strict=True):
        ledger.conv(width, kernel, padding=padding)
        if config.norm:
            ledger.norm()
        ledger.pool(2, 2)
    for width in config.dense_widths:
        ledger.dense(width)
        if config.norm:
            ledger.norm()
    ledger.dense(num_classes)


REFERENCES = {
    "lenet": Reference(Config(), 28, 61_706, 416_520, "D2L 7.6"),
    "bn-lenet": Reference(Config(norm=True), 28, 62_158, 416_520, "D2L 8.5 with LeNet's padding"),
    "bn-lenet-source": Reference(Config(norm=True, first_padding=0), 28, 44_878, 281_640, "D2L 8.5"),
    "lenet-small": Reference(
        Config(widths=(16, 32), activation="relu", pool="max", norm=True), 28, 120_886, 1_700_520, "this project"
    ),
}

FAMILY = Family("lenet", "LeNet", Config, sample, build, walk, REFERENCES)
