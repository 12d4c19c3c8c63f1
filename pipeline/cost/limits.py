"""Limits on a network's costs, and by how much a network exceeds them.

The excess is relative: cost / limit - 1, which is positive if the limit is exceeded. So a sampler can compare excesses
in different units, such as parameters and seconds.
"""

import math
from collections.abc import Mapping

from pydantic import ConfigDict, RootModel, field_validator, model_serializer

from pipeline.cost.table import COSTS
from pipeline.errors import unknown_name


class Limits(RootModel[dict[str, float | None]]):
    """The maximum of each cost, by key of `pipeline.cost.table`. Absent or None means no limit."""

    model_config = ConfigDict(frozen=True, strict=True)
    root: dict[str, float | None] = {}

    @field_validator("root")
    @classmethod
    def _check(cls, limits: dict[str, float | None]) -> dict[str, float | None]:
        for key, limit in limits.items():
            if key not in COSTS:
                raise ValueError(str(unknown_name("limit", key, COSTS)))
            if limit is not None and not 0 < limit < math.inf:
                raise ValueError(f"limit on {key} (={limit:g}) must be positive and finite")
            if limit is not None and COSTS[key].unit.exact(limit) != limit:
                raise ValueError(f"limit on {key} (={limit}) must be a whole number")
        return {key: cost.unit.exact(limit) for key, cost in COSTS.items() if (limit := limits.get(key)) is not None}

    @model_serializer
    def _written(self) -> dict[str, int | float | None]:
        return {key: self.given.get(key) for key, cost in COSTS.items() if cost.null_in_plans or key in self.given}

    @property
    def given(self) -> dict[str, float]:
        """The limits that are set, by cost."""
        return {key: limit for key, limit in self.root.items() if limit is not None}

    def excess(self, costs: Mapping[str, float]) -> dict[str, float]:
        """Cost / limit - 1 for each limited cost in `costs`; positive if the limit is exceeded."""
        return {key: costs[key] / limit - 1 for key, limit in self.given.items() if key in costs}


NO_LIMITS = Limits()


def read_limits(given: Mapping[str, str | int | float | None]) -> dict[str, float]:
    """Limits by key of the cost, from values by name of the option: {"max_macs": "40M"} or {"max_macs": 40e6}.

    None means no limit. Raises UsageError, naming the option, if it does not exist or cannot be read.
    """
    costs = {f"max_{cost.name}": cost for cost in COSTS.values()}
    for name in given:
        if name not in costs:
            raise unknown_name("limit", name, costs)
    typed = [(costs[name], _typed(value)) for name, value in given.items() if value is not None]
    return {cost.key: cost.unit.read(text, cost.option) for cost, text in typed}


def _typed(value: str | int | float) -> str:
    """A limit as a user types it, without an exponent: 3e6 becomes "3000000"."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
