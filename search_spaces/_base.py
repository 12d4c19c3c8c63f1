"""The parts of a family in `search_spaces/`, and rules that several Configs share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from torch import nn

from search_spaces._ledger import Ledger

Choice = TypeVar("Choice")

WIDEST = 8192
DEEPEST = 200


class Answers(Protocol):
    """Chooses the parameters that a `sample` asks for. An Optuna trial is one."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """A number from `low` to `high`, in steps."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        ...


@dataclass(frozen=True)
class Reference:
    """A published network (or our own, for `-small`) with its recorded counts.

    Attributes:
        config: the family's Config.
        resolution: side in pixels for which `macs` was recorded. Smaller images are scaled up to it.
        params, macs: recorded counts for 1 channel and 10 classes.
        source: source of the network or of the counts.
        torchvision: torchvision's function that builds the same network (3 channels, 1,000 classes).
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
        config: frozen dataclass, which raises ValueError for impossible networks.
        sample: asks for the parameters of a network for 28- and 32-pixel images. All answers give a valid Config.
        subspaces: further such functions by name, each for a part of the family.
        build: (config, in_channels, num_classes) -> module from (N, C, H, W) to logits (N, num_classes). Its first
            dense layer may be lazy; `instantiate` fixes it to a resolution.
        walk: (config, ledger, num_classes) adds the cost of the same network to a ledger.
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
    """Raise ValueError(message) unless the condition holds. The message names parameter, value and rule."""
    if not condition:
        raise ValueError(message)


def check_widths(name: str, widths: Sequence[int], count: int | None = None) -> None:
    """Refuse an empty sequence of widths, one of the wrong length, and widths outside 1 to WIDEST."""
    require(len(widths) > 0, f"{name} (={tuple(widths)}) must not be empty")
    if count is not None:
        require(len(widths) == count, f"{name} (={tuple(widths)}) must have {count} entries")
    for width in widths:
        require(1 <= width <= WIDEST, f"{name} (={tuple(widths)}) must be between 1 and {WIDEST}")


def check_depths(name: str, depths: Sequence[int], count: int) -> None:
    """Refuse a wrong number of depths, depths below 1, and a sum above DEEPEST."""
    require(len(depths) == count, f"{name} (={tuple(depths)}) must have {count} entries, one per width")
    require(all(depth >= 1 for depth in depths), f"{name} (={tuple(depths)}) must be at least 1")
    require(sum(depths) <= DEEPEST, f"{name} (={tuple(depths)}) must sum to at most {DEEPEST}")


def check_kernels(name: str, kernels: Sequence[int], count: int) -> None:
    """Refuse a wrong number of kernel sizes, and sizes outside 1 to 15."""
    require(len(kernels) == count, f"{name} (={tuple(kernels)}) must have {count} entries")
    require(all(1 <= kernel <= 15 for kernel in kernels), f"{name} (={tuple(kernels)}) must be between 1 and 15")


def check_share(name: str, value: float) -> None:
    """Refuse a dropout probability outside [0, 1)."""
    require(0 <= value < 1, f"{name} (={value}) must be in [0, 1)")


def choose(answers: Answers, name: str, options: Sequence[Choice]) -> Choice:
    """A categorical answer with the type of the options."""
    chosen: Choice = answers.suggest_categorical(name, options)
    return chosen


def choose_number(answers: Answers, name: str, values: range) -> int:
    """An answer from a range of numbers."""
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
