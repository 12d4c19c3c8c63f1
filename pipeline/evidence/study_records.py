"""The schemas of a search: what was to be searched, every trial that counts, the front, and what it cost.

A record of a study is a function of what its storage holds, and can be written again at will.
"""

import math
from collections.abc import Sequence
from dataclasses import field
from typing import Any, Literal, get_args

from pydantic.dataclasses import dataclass

from pipeline.cost.limits import Cost, Limits
from pipeline.evidence.records import Interval
from pipeline.schema import STRICT
from pipeline.training.recipe import Recipe

Objective = Literal["error", "macs", "params", "activations", "latency"]
SamplerName = Literal["tpe", "nsga2", "evolution", "gp", "random", "qmc"]
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
TrialState = Literal["complete", "stopped", "failed"]
StudyState = Literal["running", "complete", "exhausted", "interrupted"]

DIVERGED = "diverged"
"""How the reason of a training begins whose loss ceased to be a number."""

COST_OF: dict[Objective, Cost] = {
    "macs": "macs",
    "params": "params",
    "activations": "activations",
    "latency": "latency_seconds",
}
"""The cost that an objective other than the error is."""


def main_cost(objectives: Sequence[Objective]) -> Cost:
    """The cost by which networks are called equally dear: the first one among the objectives, else MACs."""
    return next((COST_OF[objective] for objective in objectives if objective != "error"), "macs")


@dataclass(frozen=True, config=STRICT)
class SearchPlan:
    """What a study searches, and how: all that shapes its trials. Two studies with equal plans ask the same questions.

    Attributes:
        space: names of families and of parts of families; `space_sha256` covers their parameters and values.
        resolution, channels, classes: of the images that networks are built for.
        recipe: of every trial, at its full horizon; precision and number of training images resolved.
        seed: of the sampler, and of every training.
        rungs: epochs at which trials are compared; the last is the recipe's.
        reduction: of the trials at a rung, the best 1 / reduction go on; None: all train in full.
        warm_start: the study whose trials the sampler knows from the start, complete by its so many rungs that had
            been told, and their digest, as "name:12:0a1b2c3d".
    """

    schema: Literal["search-plan/1"]
    space: tuple[str, ...]
    space_sha256: str
    data: str
    data_fingerprint: str
    resolution: int
    channels: int
    classes: int
    recipe: Recipe
    objectives: tuple[Objective, ...]
    limits: Limits
    sampler: SamplerName
    seed: int
    rungs: tuple[int, ...]
    reduction: int | None
    device: Literal["cpu", "cuda"]
    warm_start: str | None = None

    def __post_init__(self) -> None:
        if self.objectives[:1] != ("error",):
            raise ValueError(f"objectives (={self.objectives}) must begin with error")


@dataclass(frozen=True, config=STRICT)
class Budget:
    """When a study is done: after so many counted trials in all, or so many hours of its drivers' work in all."""

    trials: int | None = None
    hours: float | None = None

    def __post_init__(self) -> None:
        if (self.trials is None) == (self.hours is None):
            raise ValueError("a budget is a number of trials or of hours: give one of --trials and --hours")
        if not 0 < (self.trials or self.hours or 0) < math.inf:
            raise ValueError(f"budget (={self.trials or self.hours}) must be positive and finite")


@dataclass(frozen=True, config=STRICT)
class Rung:
    """A trial's error after so many epochs; `arrival` counts the rungs of the whole study as they were told."""

    epochs: int
    validation_error_percent: float
    arrival: int


@dataclass(frozen=True, config=STRICT)
class Trial:
    """One network of a study.

    Attributes:
        config: {"family": …, "config": {…}}.
        values: the point of the space, by parameter, inactive parameters included.
        costs: what it costs, as far as known; `latency_seconds` only where it is limited or an objective.
        run: the training's address in the run store.
        state: None while it may still train.
        refused, duplicates: candidates that were drawn and put aside since the trial before.
        drawn_by: the sampler, or "random" where each parameter was drawn uniformly until a network was within the
            limits: before a sampler has learnt anything, or after its candidates were refused too often; or "walk",
            where that met nothing new and the space was walked through.
        sampler_attributes: what the sampler noted of the trial for its own later draws.
        epochs_seen: epochs that it was trained for, as far as this study asked; that in which it diverged included.
        train_seconds: of those epochs, by the pace of each.
        micro_batches: in how many parts its batches were trained, more than 1 where memory ran out.
        counted_at: its place among the counted trials, from 1, or None as long as it does not count.
    """

    number: int
    config: dict[str, Any]
    values: dict[str, Any]
    costs: dict[Cost, float]
    run: str
    refused: int = 0
    duplicates: int = 0
    drawn_by: str = ""
    sampler_attributes: dict[str, Any] = field(default_factory=dict)
    rungs: tuple[Rung, ...] = ()
    state: TrialState | None = None
    reason: str | None = None
    attempts: int = 1
    epochs_seen: int = 0
    train_seconds: float = 0.0
    micro_batches: int = 1
    counted_at: int | None = None

    @property
    def errors(self) -> tuple[float, ...]:
        """Its validation error at each rung, in percent."""
        return tuple(rung.validation_error_percent for rung in self.rungs)

    @property
    def diverged(self) -> bool:
        """Whether it failed by itself, which is a result of the search; others were lost to the machine."""
        return self.state == "failed" and (self.reason or "").startswith(DIVERGED)


@dataclass(frozen=True, config=STRICT)
class Member:
    """A member of a study's front, retrained from scratch at the full budget with n seeds, tested once each.

    `search_error_percent` is the score for which it was chosen; that the mean of `validation_error_percent` is higher
    is the winner's curse. Both intervals are over seeds; None where all of its runs failed.
    """

    trial: int
    config: dict[str, Any]
    params: int
    macs: int
    search_error_percent: float
    validation_error_percent: Interval | None
    test_error_percent: Interval | None
    runs: tuple[str, ...] = ()


Against = Literal["reference", "random networks", "random search"]
ComparisonVerdict = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, config=STRICT)
class FinalistComparison:
    """A member's test error less that of what it is compared with; "better" where the whole interval is below zero.

    Attributes:
        against: the family's reference at or above its cost; the median of networks drawn at random at its cost; the
            best network at or below its cost of a random search of the same compute.
        name: which reference, or how many networks.
        macs: of the rival; the median where it is several networks.
        validation_error_percent: of the rival, over seeds; of several networks the median.
        interval: 95 %: of paired differences over seeds (Student's t), or, where seeds are not paired, from the two
            ends of two intervals of 97.5 %, which is conservative.
    """

    trial: int
    against: Against
    name: str
    macs: int
    validation_error_percent: Interval | None
    difference: float
    interval: tuple[float, float] | None
    n: int
    verdict: ComparisonVerdict


@dataclass(frozen=True, config=STRICT)
class FinalistsRecord:
    """What `convstudy finalists` finds.

    `told` says, a sentence each, what is not compared as it was wanted, and why; `random_course` is, of the random
    search, the lowest error after so many training images. `lost` trainings failed for a passing reason: asked for
    again, they are tried again, and until then the record is not final. `train_seconds` are those of all trainings that
    it rests on, the random search's among them; None where they were not recorded.
    """

    schema: Literal["finalists/1"]
    study: str
    data: str
    recipe: Recipe
    seeds: tuple[int, ...]
    members: tuple[Member, ...]
    winners_curse_points: Interval | None
    comparisons: tuple[FinalistComparison, ...]
    told: tuple[str, ...] = ()
    random_course: tuple[tuple[int, float], ...] = ()
    lost: int = 0
    train_seconds: float | None = None
