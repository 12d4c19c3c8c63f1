"""The cost table: what a network can cost in a search, one row per cost.

Options, limits, objectives, the gate, records, tables and hypervolume follow from the rows. To add a cost, add a row
and its function. PyTorch is loaded only when a cost is measured.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.machine import DeviceKind
    from search_spaces import Design, Price

_MULTIPLES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


@dataclass(frozen=True)
class Unit:
    """How values of a unit are typed and shown.

    Attributes:
        is_whole: whether values are whole numbers.
        rule, example: what a user must type.
        suffixes: suffix of the number -> factor.
        show: formats a value, rounded.
        show_exactly: formats a value with all significant digits.
    """

    is_whole: bool
    rule: str
    example: str
    suffixes: Mapping[str, float]
    show: Callable[[float], str]
    show_exactly: Callable[[float], str]

    def read(self, text: str, option: str) -> float:
        """Parse what a user typed: "40M" is 40,000,000, "5ms" is 0.005. Raises UsageError naming the option."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?) *([A-Za-z]*)", text.strip())
        factors = {suffix.lower(): factor for suffix, factor in self.suffixes.items()}
        if match is None or match[2].lower() not in factors:
            raise UsageError(f"{option} (={text}) must be {self.rule}, as in {self.example}")
        value = float(match[1]) * factors[match[2].lower()]
        if value == math.inf or self.exact(value) <= 0:
            raise UsageError(f"{option} (={text}) must be {'at least 1' if self.is_whole else 'positive'} and finite")
        return self.exact(value)

    def exact(self, value: float) -> float:
        """The value as stored in records: an int if the unit has whole values."""
        return round(value) if self.is_whole else float(value)


def _show_count(value: float) -> str:
    suffix, factor = next(((s, f) for s, f in reversed(_MULTIPLES.items()) if value >= f), ("", 1))
    return f"{value / factor:.4g}{suffix}"


COUNT = Unit(
    True,
    "a number, with k, M or G for thousands, millions or billions",
    "40M",
    _MULTIPLES,
    _show_count,
    "{:,.0f}".format,
)
BYTES = replace(
    COUNT, example="500M", show=lambda value: f"{value / 2**20:.3g} MiB", show_exactly="{:,.0f} bytes".format
)
SECONDS = Unit(
    False, "a time with its unit", "5ms", {"ms": 1e-3, "s": 1.0},
    lambda value: f"{1e3 * value:.3g} ms", lambda value: f"{1e3 * value:.12g} ms",
)  # fmt: skip


@dataclass(frozen=True)
class Conditions:
    """What a measured cost depends on besides the network: images, training batch and device."""

    resolution: int
    channels: int
    classes: int
    batch_size: int
    device: "DeviceKind"


@dataclass(frozen=True)
class Cost:
    """One row of the table. It has either `count` or `measure`.

    Attributes:
        key: its key in records and limits.
        name: its name among objectives, and in the option of its limit.
        noun: its name in sentences, plural.
        unit: unit of its values.
        count: computes it from the closed-form counts of a Config.
        measure: measures it on a network built for this purpose.
        is_timed: whether other trainings must pause while it is measured.
        is_objective: whether a search can minimise it.
        null_in_plans: whether a plan without this limit writes it as null. Study names depend on it, so it stays True
            for the first five costs, and is False for all others.
    """

    key: str
    name: str
    noun: str
    unit: Unit
    count: "Callable[[Price], int] | None" = None
    measure: "Callable[[Design, Conditions], float] | None" = None
    is_timed: bool = False
    is_objective: bool = True
    null_in_plans: bool = False

    @property
    def option(self) -> str:
        """The option of `convstudy search` that limits this cost."""
        return f"--max-{self.name.replace('_', '-')}"


def _latency_seconds(design: "Design", at: Conditions) -> float:
    """Median seconds of one image in eval mode, float32, with one thread."""
    import search_spaces
    from pipeline.cost.latency import latency_seconds

    network = search_spaces.instantiate(design.family, design.config, at.resolution, at.channels, at.classes)
    return latency_seconds(network, at.channels, at.resolution, 1, at.device, run_seconds=0.2, threads=1)


def _train_memory_bytes(design: "Design", at: Conditions) -> float:
    """Memory of a training step with the recipe's batch: saved tensors, weights, gradients, momentum, as on a CPU."""
    import search_spaces
    from pipeline.cost.memory import training_memory

    shapes = search_spaces.instantiate(design.family, design.config, at.resolution, at.channels, at.classes, "meta")
    return training_memory(shapes, at.channels, at.resolution, at.batch_size, "cpu")[0]


COSTS: dict[str, Cost] = {
    cost.key: cost
    for cost in (
        Cost("macs", "macs", "MACs", COUNT, count=lambda price: price.macs, null_in_plans=True),
        Cost("params", "params", "parameters", COUNT, count=lambda price: price.params, null_in_plans=True),
        Cost("activations", "activations", "activations", COUNT, count=lambda p: p.activations, null_in_plans=True),
        Cost(
            "latency_seconds", "latency", "seconds an image", SECONDS,
            measure=_latency_seconds, is_timed=True, null_in_plans=True,
        ),
        Cost(
            "train_memory_bytes", "train_memory", "bytes in training", BYTES,
            measure=_train_memory_bytes, is_objective=False, null_in_plans=True,
        ),
    )
}  # fmt: skip
"""All costs by key, in display order."""


def count_costs(price: "Price") -> dict[str, float]:
    """The counted costs, by key."""
    return {key: cost.count(price) for key, cost in COSTS.items() if cost.count is not None}


def shown(costs: Mapping[str, float]) -> str:
    """Costs with all digits, so that rounding never hides an exceeded limit: "macs 323,328, params 1,010"."""
    return ", ".join(f"{key} {cost.unit.show_exactly(costs[key])}" for key, cost in COSTS.items() if key in costs)


def objective_names() -> list[str]:
    """Everything a search can minimise: the error, and costs by name."""
    return ["error", *(cost.name for cost in COSTS.values() if cost.is_objective)]


def costs_among(objectives: Sequence[str]) -> list[Cost]:
    """The costs among objectives, in their order."""
    by_name = {cost.name: cost for cost in COSTS.values()}
    return [by_name[name] for name in objectives if name != "error"]


def main_cost(objectives: Sequence[str]) -> Cost:
    """The cost by which networks are matched: the first one among the objectives, else MACs."""
    return next(iter(costs_among(objectives)), COSTS["macs"])
