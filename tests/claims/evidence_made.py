"""Records of experiments with known values, for the tests of judging."""

from collections.abc import Mapping, Sequence

from pipeline.claims.parts import EmpiricalPart
from pipeline.data.manifest import DataSummary
from pipeline.evidence.records import Epoch, GroupRecord, NetworkRecord, SeedRun
from pipeline.training.recipe import Recipe

LOWER_ERROR = EmpiricalPart(
    kind="empirical",
    measure="error",
    experiment="depth",
    of="validation error",
    contrast={"deep": 1, "flat": -1},
    expect="lower",
    smallest=0.5,
    unit="points",
)
"""That the arm "deep" of the experiment "depth" errs less than the arm "flat"."""
DATA = DataSummary("data", "source", "fingerprint", (1, 28, 28), ("a", "b"), {"train": 1000}, {})


def made_run(seed: int, error: float | None, losses: Sequence[float] = (1.0,)) -> SeedRun:
    """A training that ends at an error in percent; None: one that failed."""
    if error is None:
        return SeedRun("run", seed, "failed", "diverged: loss is nan", (), None, None)
    history = tuple(Epoch(index, loss, 2 * loss, error, 0.1, 1.0) for index, loss in enumerate(losses, start=1))
    return SeedRun("run", seed, "complete", None, history, None, None)


def made_arm(
    name: str, errors: Sequence[float | None], rate: float = 0.1, losses: Sequence[float] = (1.0,)
) -> NetworkRecord:
    """An arm whose seeds 1, 2, … end at these errors."""
    runs = tuple(made_run(seed, error, losses) for seed, error in enumerate(errors, start=1))
    recipe = Recipe(epochs=len(losses), learning_rate=rate)
    return NetworkRecord(name, "vgg", {}, 28, 1, 1, 1, (), recipe, runs, None, None, None)


def made_record(experiment: str, arms: Mapping[str, Sequence[float | None]]) -> GroupRecord:
    """A record of an experiment by its arms' errors."""
    networks = tuple(made_arm(f"{experiment}.{arm}", errors) for arm, errors in arms.items())
    return GroupRecord("group/1", experiment, "full", DATA, networks)
