"""The schemas of a search: its plan, every counted trial, the front, and what it cost.

A record of a study is computed from its storage and can be rewritten at any time.
"""

import math
from dataclasses import field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from pipeline.cost.limits import Limits
from pipeline.cost.table import COSTS, Cost, costs_among, objective_names
from pipeline.errors import unknown_name
from pipeline.evidence.statistics import chance_threshold_percent
from pipeline.schema import STRICT
from pipeline.training.recipe import Recipe

SAMPLERS = ("tpe", "nsga2", "evolution", "gp", "random", "qmc")
TrialState = Literal["complete", "stopped", "failed"]
StudyState = Literal["running", "complete", "exhausted", "interrupted"]

DIVERGED = "diverged"
"""Start of the reason of a training that diverged: its loss is no longer finite."""


@dataclass(frozen=True, config=STRICT)
class SearchPlan:
    """What a study searches, and how: all that shapes its trials. Studies with equal plans ask the same questions.

    Attributes:
        space: names of families and of parts of families; `space_sha256` covers their parameters and values.
        resolution, channels, classes: of the images that networks are built for.
        recipe: recipe of every trial at its full horizon, with precision and number of training images resolved.
        sampler: one of SAMPLERS, or a custom one as "module:Class" or "optunahub:samplers/NAME".
        seed: seed of the sampler and of every training.
        rungs: epochs at which trials are compared; the last one is the recipe's.
        reduction: the best 1 / reduction of the trials at a rung continue; None: all train in full.
        objectives: "error" first, then costs by name.
        warm_start: study whose trials the sampler knows from the start, the number of rungs it had reached by then, and
            the digest of its complete trials, as "name:12:0a1b2c3d".
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
    objectives: tuple[str, ...]
    limits: Limits
    sampler: str
    seed: int
    rungs: tuple[int, ...]
    reduction: int | None
    device: Literal["cpu", "cuda"]
    warm_start: str | None = None

    def __post_init__(self) -> None:
        if self.objectives[:1] != ("error",):
            raise ValueError(f"objectives (={self.objectives}) must begin with error")
        if self.sampler not in SAMPLERS and ":" not in self.sampler:
            raise ValueError(str(unknown_name("sampler", self.sampler, SAMPLERS)))
        for name in self.objectives:
            if name not in objective_names():
                raise ValueError(str(unknown_name("objective", name, objective_names())))

    @property
    def costs(self) -> list[Cost]:
        """The costs among the objectives."""
        return costs_among(self.objectives)


@dataclass(frozen=True, config=STRICT)
class Budget:
    """When a study is done: total number of counted trials, or total hours of work of its drivers."""

    trials: int | None = None
    hours: float | None = None

    def __post_init__(self) -> None:
        if (self.trials is None) == (self.hours is None):
            raise ValueError("a budget is a number of trials or of hours: give one of --trials and --hours")
        if not 0 < (self.trials or self.hours or 0) < math.inf:
            raise ValueError(f"budget (={self.trials or self.hours}) must be positive and finite")


@dataclass(frozen=True, config=STRICT)
class Rung:
    """A trial's error after a number of epochs.

    `arrival` counts the rungs of the whole study, from 1, in the order in which they were reached; 0: not recorded.
    """

    epochs: int
    validation_error_percent: float
    arrival: int = 0


@dataclass(frozen=True, config=STRICT)
class Trial:
    """One network of a study.

    Attributes:
        config: {"family": …, "config": {…}}.
        values: the point of the space, by parameter, inactive parameters included.
        costs: key -> cost. Measured costs are present only if they are limited or an objective.
        run: the training's address in the run store.
        state: None while it may still train.
        refused, duplicates: candidates drawn and rejected since the previous trial.
        drawn_by: the sampler; or "random" if parameters were drawn uniformly until the network met the limits, which
            happens before the sampler has data and after too many of its candidates were refused; or "walk" if random
            draws found nothing new and the space was enumerated.
        sampler_attributes: data that the sampler keeps about the trial for later draws.
        epochs_seen: epochs trained for this study, including the one in which the trial diverged.
        train_seconds: seconds of training for those epochs.
        micro_batches: number of parts into which each batch was split; more than 1 if memory ran out.
        counted_at: position among the counted trials, from 1; None while the trial does not count.
    """

    number: int
    config: dict[str, Any]
    values: dict[str, Any]
    costs: dict[str, float]
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
        """Whether its training diverged, which is a result of the search. Other failures are machine faults."""
        return self.state == "failed" and (self.reason or "").startswith(DIVERGED)


class TrialRecord(BaseModel):
    """A counted trial in the record of its study; fields as in Trial, its costs among them, by key.

    Attributes:
        validation_error_percent: at its last rung; None if it reached none.
        train_images_seen: training images that went through the network, repeats included.
        epochs_seen: 0 if not recorded.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, int | float] = Field(init=False)

    number: int
    state: TrialState
    config: dict[str, Any]
    values: dict[str, Any]
    validation_error_percent: float | None
    rungs: tuple[Rung, ...]
    attempts: int
    reason: str | None
    train_images_seen: int
    epochs_seen: int = 0
    train_seconds: float
    micro_batches: int = 1
    run: str
    drawn_by: str

    @model_validator(mode="after")
    def _check_costs(self) -> "TrialRecord":
        for key in self.costs:
            if key not in COSTS:
                raise ValueError(str(unknown_name("cost", key, COSTS)))
        return self

    @property
    def costs(self) -> dict[str, int | float]:
        """Its known costs, by key."""
        return self.__pydantic_extra__

    @property
    def errors(self) -> tuple[float, ...]:
        """Its validation error at each rung, in percent."""
        return tuple(rung.validation_error_percent for rung in self.rungs)


@dataclass(frozen=True, config=STRICT)
class Compute:
    """What all trials of a study took, including those that do not count."""

    train_images_seen: int
    train_seconds: float


@dataclass(frozen=True, config=STRICT, kw_only=True)
class StudyRecord:
    """A study as `convstudy search --json` and `status --json` write it.

    Attributes:
        limits: key of a cost -> its limit.
        budget: the last budget, {"trials": …} or {"hours": …}; empty if no driver has run yet.
        rungs: epochs of the rungs.
        plan: None if not recorded.
        guessing_error_percent: error of always predicting the most frequent class of the validation images; None if
            not recorded.
        machines: hardware and versions with which trials were trained, each once; empty if not recorded.
        refused, duplicates: numbers of candidates rejected before any training.
        trials: the counted trials, in the order in which they were counted.
        front: numbers of the complete trials that no other trial dominates.
        hypervolume: hypervolume after each counted trial.
    """

    study: str
    state: StudyState
    space: tuple[str, ...]
    data: str
    objectives: tuple[str, ...]
    limits: dict[str, int | float]
    budget: dict[str, int | float]
    seed: int
    sampler: str
    rungs: tuple[int, ...]
    plan: SearchPlan | None = None
    counted: int
    refused: int
    duplicates: int
    trials: tuple[TrialRecord, ...]
    front: tuple[int, ...]
    hypervolume: tuple[float, ...]
    compute: Compute
    machines: tuple[dict[str, dict[str, str]], ...] = ()
    guessing_error_percent: float | None = None

    @property
    def costs(self) -> list[Cost]:
        """The costs among the objectives."""
        return costs_among(self.objectives)

    @property
    def by_number(self) -> dict[int, TrialRecord]:
        """The trials, by number."""
        return {trial.number: trial for trial in self.trials}

    @property
    def complete(self) -> list[TrialRecord]:
        """The trials that were trained in full."""
        return [trial for trial in self.trials if trial.state == "complete"]

    @property
    def front_trials(self) -> list[TrialRecord]:
        """The members of the front, the lowest error first."""
        members = map(self.by_number.__getitem__, self.front)
        return sorted(members, key=lambda trial: (trial.errors[-1], trial.number))

    @property
    def guessing_note(self) -> str | None:
        """A sentence that names the members of the front that are no better than guessing; None if there are none."""
        bounds = [self.guessing_error_percent] if self.guessing_error_percent is not None else []
        if self.plan is not None:
            bounds.append(chance_threshold_percent(self.plan.classes))
        guessing = [trial for trial in self.front_trials if bounds and trial.errors[-1] >= min(bounds)]
        if not guessing:
            return None
        level = f"no better than guessing (an error of {min(bounds):.2f} % or more)"
        if len(guessing) == len(self.front):
            return f"no network of the front learnt anything: all are {level}; try more epochs, images or a lower rate"
        numbers = ", ".join(str(trial.number) for trial in guessing)
        return f"{len(guessing)} of the {len(self.front)} networks of the front are {level}: trials {numbers}"
