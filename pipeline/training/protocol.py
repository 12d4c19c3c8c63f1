"""A training protocol: one recipe for all compared networks, and how each learning rate is selected.

Profiles, experiments and searches each have one. It names its recipe; `Settings.recipe_named` resolves it.
"""

from dataclasses import dataclass, replace
from typing import Any

FURTHER_CHOICE_SEEDS = 10_001
"""Rates are selected with seed 0 and further seeds from here on. Reported seeds lie in between."""


@dataclass(frozen=True)
class TrainingProtocol:
    """How networks are trained for a comparison.

    Attributes:
        recipe: name of a recipe in params.yaml.
        changes: fields that differ from it.
        rates: learning rates tried for each network on validation data. A single rate is used without selection. With
            an empty grid the recipe's own rate is used.
        choice: fields that differ in the trainings that select the rate (shorter, on fewer images).
        choice_seeds: trainings per rate, with their own seeds. Rates are compared by their mean.
        seeds: reported trainings of each network, numbered from `first_seed` on.
        reduction: the best 1 / reduction of the trainings that select the rate are promoted at the epochs 1, reduction,
            reduction^2, … (successive halving). None: all train in full, which selects better rates if runs are short
            (benchmarks/NOTES.md).
    """

    recipe: str
    changes: dict[str, Any]
    rates: tuple[float, ...]
    choice: dict[str, Any]
    choice_seeds: int
    seeds: int
    first_seed: int = 1
    reduction: int | None = None

    def __post_init__(self) -> None:
        check_rates(self.rates)
        for name in ("seeds", "choice_seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} (={getattr(self, name)}) must be at least 1")
        if self.first_seed < 1 or self.first_seed + self.seeds > FURTHER_CHOICE_SEEDS:
            raise ValueError(
                f"seeds (={self.seeds}) from first_seed (={self.first_seed}) on "
                f"must lie from 1 to {FURTHER_CHOICE_SEEDS - 1:,}"
            )
        if self.reduction is not None and self.reduction < 2:
            raise ValueError(f"reduction (={self.reduction}) must be at least 2, or null")
        if fixed := {"resolution", "learning_rate"} & set(self.choice):
            raise ValueError(
                f"choice must not change the {max(fixed)}: a rate is selected from the grid for the network as trained"
            )

    @property
    def reported_seeds(self) -> tuple[int, ...]:
        """Seeds of the reported trainings."""
        return tuple(range(self.first_seed, self.first_seed + self.seeds))

    @property
    def choosing_seeds(self) -> tuple[int, ...]:
        """Seeds of the trainings that select the rate. None of them is reported."""
        return (0, *range(FURTHER_CHOICE_SEEDS, FURTHER_CHOICE_SEEDS + self.choice_seeds - 1))

    def changed(self, recipe: dict[str, Any], rates: tuple[float, ...] | None = None) -> "TrainingProtocol":
        """The protocol for one network, with its own changes to the recipe and its own grid of rates, if any."""
        return replace(self, changes=self.changes | recipe, rates=self.rates if rates is None else rates)


def check_rates(rates: tuple[float, ...]) -> None:
    """Raise ValueError for learning rates that are not positive and finite, or not distinct."""
    if not all(0 < rate < float("inf") for rate in rates):
        raise ValueError(f"rates (={rates}) must be positive and finite")
    if len(set(rates)) != len(rates):
        raise ValueError(f"rates (={rates}) must differ from one another")
