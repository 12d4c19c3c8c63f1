"""The published population: random networks of the design spaces, their errors, and longer trainings of some.

benchmarks.population and benchmarks.full_trainings train them. Searches can learn from them
(`--warm-start population`), `convstudy bench-search` simulates searches on them, and claims about how well cheap
trainings rank networks use them.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic.dataclasses import dataclass

from pipeline.evidence.study_records import SearchPlan
from pipeline.schema import STRICT, read_record
from pipeline.training.recipe import Precision, Recipe
from pipeline.workspace import Workspace

POPULATION = "population"
"""The name of its study, and of its folder in reports/published."""
TABLE = Path(POPULATION, "table.json")
FULL = Path(POPULATION, "full.json")
Pairs = list[tuple[float, float]]
"""Pairs of errors, one pair per network: after cheap and after expensive training."""
PLANNED_IN_FULL = 40
"""Number of networks to train in full: the first ones of the table."""


@dataclass(frozen=True, config=STRICT)
class TableNetwork:
    """One network; `errors` are validation errors in percent after each epoch, by seed."""

    number: int
    config: dict[str, object]
    values: dict[str, object]
    costs: dict[str, float]
    errors: dict[str, tuple[float, ...]]
    train_seconds: float


@dataclass(frozen=True, config=STRICT)
class PopulationTable:
    """`table.json`: the population, how it was trained, and where; networks that diverged are only counted."""

    plan: SearchPlan
    networks: tuple[TableNetwork, ...]
    failed: int
    hardware: dict[str, str]
    versions: dict[str, str]
    finished_at: str


@dataclass(frozen=True, config=STRICT)
class FullTraining:
    """Validation errors in percent of the table's network `number` after each epoch; seconds of training, if known."""

    number: int
    errors: tuple[float, ...]
    precision: Precision
    train_seconds: float | None = None


@dataclass(frozen=True, config=STRICT)
class FullTrainings:
    """`full.json`: recipe, number of images and machines of the full trainings; `planned` is the number of networks.

    The precision is each machine's "auto" and is recorded with each training; ranks hardly depend on it.
    """

    recipe: Recipe
    train_images: int
    networks: tuple[FullTraining, ...]
    hardware: tuple[dict[str, str], ...]
    versions: dict[str, str]
    finished_at: str
    planned: int = PLANNED_IN_FULL

    @property
    def is_whole(self) -> bool:
        """Whether all planned trainings are there."""
        return len(self.networks) >= self.planned


def published_table(workspace: Workspace) -> PopulationTable | None:
    """The table in reports/published; None if there is none."""
    file = workspace.published / TABLE
    return read_record(PopulationTable, file) if file.exists() else None


def published_full_trainings(workspace: Workspace) -> FullTrainings | None:
    """The full trainings in reports/published; None if there are none."""
    file = workspace.published / FULL
    return read_record(FullTrainings, file) if file.exists() else None


def paired_errors(table: PopulationTable, full: FullTrainings | None) -> Mapping[tuple[str, str], Pairs]:
    """(cheap, expensive) protocol -> pairs of validation errors in percent, one pair per network trained under both.

    Full trainings are used only when all planned ones exist, because a verdict needs its number of networks.
    """
    first, epochs = str(table.plan.seed), table.plan.recipe.epochs
    short = {network.number: network.errors[first] for network in table.networks}
    found = {
        (short_way(k, epochs), "short"): [(errors[k - 1], errors[-1]) for errors in short.values()]
        for k in table_rungs(epochs)[:-1]
    }
    found["short", "short, another seed"] = [
        (network.errors[first][-1], network.errors[other][-1])
        for network in table.networks
        for other in sorted(set(network.errors) - {first})[:1]
    ]
    if full is None or not full.is_whole:
        return found
    for k in table_rungs(epochs):
        found[short_way(k, epochs), "full"] = [(short[n.number][k - 1], n.errors[-1]) for n in full.networks]
    for k in table_rungs(full.recipe.epochs)[:-1]:
        found[full_way(k, full.recipe.epochs), "full"] = [(n.errors[k - 1], n.errors[-1]) for n in full.networks]
    return found


def table_rungs(epochs: int) -> list[int]:
    """1, 3, 9, … and the last epoch."""
    return [k for k in (1, 3, 9, 27, 81) if k < epochs] + [epochs]


def short_way(k: int, epochs: int) -> str:
    """The name of the population's training, stopped after `k` of its epochs."""
    return "short" if k == epochs else f"{_epochs(k)} of {epochs}, short"


def full_way(k: int, epochs: int) -> str:
    """The name of the training on all images, stopped after `k` of its epochs."""
    return f"{_epochs(k)} of {epochs}, full"


def _epochs(count: int) -> str:
    return f"{count} {'epoch' if count == 1 else 'epochs'}"
