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
