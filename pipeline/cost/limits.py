"""Limits on a network's cost: read from what a user types, and how far a network is over them.

The excess of a cost over its limit is relative: cost / limit - 1, positive where the limit is broken, so that limits on
parameters and on seconds can be compared and given to a sampler alike.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal, get_args

from pydantic.dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.schema import STRICT

Cost = Literal["macs", "params", "activations", "latency_seconds", "train_memory_bytes"]
COSTS: tuple[Cost, ...] = get_args(Cost)
COST_NAMES: dict[Cost, str] = {
    "macs": "MACs",
    "params": "parameters",
    "activations": "activations",
    "latency_seconds": "seconds an image",
    "train_memory_bytes": "bytes in training",
}

_COUNT = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_SECONDS = {"ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, config=STRICT)
class Limits:
    """The largest cost allowed of each kind; None: no limit. `latency_seconds` is that of a batch of one image."""

    macs: int | None = None
    params: int | None = None
    activations: int | None = None
    latency_seconds: float | None = None
    train_memory_bytes: int | None = None

    def __post_init__(self) -> None:
        for cost, limit in self.given.items():
            if limit <= 0:
                raise ValueError(f"limit on {cost} (={limit}) must be positive")

    @property
    def given(self) -> dict[Cost, float]:
        """The limits that there are, by cost."""
        return {cost: limit for cost in COSTS if (limit := asdict(self)[cost]) is not None}

    def excess(self, costs: Mapping[Cost, float]) -> dict[Cost, float]:
        """Cost / limit - 1 for each cost that is limited and known."""
        return {cost: costs[cost] / limit - 1 for cost, limit in self.given.items() if cost in costs}

    def constraints(self, costs: Mapping[Cost, float]) -> dict[str, float]:
        """The same as Optuna's constraints of a trial: positive means broken."""
        return {str(cost): excess for cost, excess in self.excess(costs).items()}


NO_LIMITS = Limits()


def read_count(text: str, option: str) -> int:
    """The count a user typed: "40M" is 40,000,000 (suffixes k, M, G); raises UsageError naming the option."""
    count = round(_read(text, option, _COUNT, "a number, with k, M or G for thousands, millions or billions"))
    if count < 1:
        raise UsageError(f"{option} (={text}) must be at least 1")
    return count


def read_seconds(text: str, option: str) -> float:
    """The seconds a user typed: "5ms" is 0.005 (units ms, s); raises UsageError naming the option."""
    return _read(text, option, _SECONDS, "a time with its unit, ms or s, as in 5ms")


def _read(text: str, option: str, units: Mapping[str, float], wanted: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *([A-Za-z]*)", text.strip())
    unit = match and next((unit for unit in units if unit.lower() == match[2].lower()), None)
    if match is None or unit is None:
        raise UsageError(f"{option} (={text}) must be {wanted}")
    value = float(match[1]) * units[unit]
    if not 0 < value < math.inf:
        raise UsageError(f"{option} (={text}) must be positive")
    return value


def show_cost(cost: str, value: float) -> str:
    """A cost as a reader wants it: 40.0M, 5.0 ms, 120 MiB."""
    if cost == "latency_seconds":
        return f"{1e3 * value:.3g} ms"
    if cost == "train_memory_bytes":
        return f"{value / 2**20:.3g} MiB"
    for unit, size in reversed(_COUNT.items()):
        if value >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:g}"
