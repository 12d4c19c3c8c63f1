"""What every family of `search_spaces/` consists of, and the rules their Configs share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from torch import nn

from search_spaces._ledger import Ledger

Choice = TypeVar("Choice")

WIDEST = 8192
DEEPEST = 200


class Answers(Protocol):
    """Who answers the questions of a `sample`; an Optuna trial is one."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """A number from `low` to `high` in steps."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        ...


@dataclass(frozen=True)
class Reference:
    """A published (or, for `-small`, our own) network, with its recorded counts.

    Attributes:
        config: the family's Config.
        resolution: in pixels, at which `macs` was recorded; images smaller than this are scaled up to it.
        params, macs: recorded counts for 1 channel and 10 classes.
        source: where the network, or the count, comes from.
        torchvision: the torchvision builder that makes the same network (3 channels, 1,000 classes).
    """

    config: Any
    resolution: int
    params: int
    macs: int
    source: str
    torchvision: str | None = None


@dataclass(frozen=True)
class Family:
    """A design family: its networks are the values of `config`.

    Attributes:
        config: frozen dataclass; construction refuses impossible networks with a ValueError.
        sample: asks for the parameters of a network for 28- and 32-pixel images, all answers giving a legal Config.
        subspaces: further such functions by name, each drawing from a part of the family.
        build: (config, in_channels, num_classes) -> module from (N, C, H, W) to logits (N, num_classes). Its first
            dense layer may be lazy; `instantiate` fixes it to a resolution.
        walk: (config, ledger, num_classes) books the same network's cost on a ledger.
    """

    name: str
    title: str
    config: type[Any]
    sample: Callable[[Answers], Any]
    build: Callable[[Any, int, int], nn.Module]
    walk: Callable[[Any, Ledger, int], object]
    references: Mapping[str, Reference]
    subspaces: Mapping[str, Callable[[Answers], Any]] = field(default_factory=dict)


def require(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless the condition holds; the message names parameter, value and rule."""
    if not condition:
        raise ValueError(message)


def check_widths(name: str, widths: Sequence[int], count: int | None = None) -> None:
    """Refuse an empty or wrongly long sequence of widths, and any width outside 1 to WIDEST."""
    require(len(widths) > 0, f"{name} (={tuple(widths)}) must not be empty")
    if count is not None:
        require(len(widths) == count, f"{name} (={tuple(widths)}) must have {count} entries")
    for width in widths:
        require(1 <= width <= WIDEST, f"{name} (={tuple(widths)}) must be between 1 and {WIDEST}")


def check_depths(name: str, depths: Sequence[int], count: int) -> None:
    """Refuse depths of the wrong number, below 1, or beyond DEEPEST in sum."""
    require(len(depths) == count, f"{name} (={tuple(depths)}) must have {count} entries, one a width")
    require(all(depth >= 1 for depth in depths), f"{name} (={tuple(depths)}) must be at least 1")
    require(sum(depths) <= DEEPEST, f"{name} (={tuple(depths)}) must sum to at most {DEEPEST}")


def check_kernels(name: str, kernels: Sequence[int], count: int) -> None:
    """Refuse kernel sizes of the wrong number or outside 1 to 15."""
    require(len(kernels) == count, f"{name} (={tuple(kernels)}) must have {count} entries")
    require(all(1 <= kernel <= 15 for kernel in kernels), f"{name} (={tuple(kernels)}) must be between 1 and 15")


def check_share(name: str, value: float) -> None:
    """Refuse a dropout probability outside [0, 1)."""
    require(0 <= value < 1, f"{name} (={value}) must be in [0, 1)")


def choose(answers: Answers, name: str, options: Sequence[Choice]) -> Choice:
    """A categorical answer that keeps the options' type."""
    chosen: Choice = answers.suggest_categorical(name, options)
    return chosen


def choose_number(answers: Answers, name: str, values: range) -> int:
    """One number of a range."""
    return answers.suggest_int(name, values[0], values[-1], step=values.step)


def dense_head(widths: Sequence[int], num_classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Flatten, then hidden dense layers with ReLU (and dropout), then the classifier: (N, C, H, W) -> (N, classes)."""
    layers: list[nn.Module] = [nn.Flatten()]
    for position, width in enumerate(widths):
        before = widths[position - 1] if position else None
        layers += [_dense(before, width), nn.ReLU(inplace=True)]
        layers += [nn.Dropout(dropout)] if dropout else []
    layers.append(_dense(widths[-1] if widths else None, num_classes))
    return nn.Sequential(*layers)


def pooling_head(width: int, num_classes: int) -> nn.Sequential:
    """Global average pool and classifier: (N, width, H, W) -> (N, classes)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))


def _dense(width_in: int | None, width_out: int) -> nn.Module:
    return nn.LazyLinear(width_out) if width_in is None else nn.Linear(width_in, width_out)
