"""The record of a study, computed only from its plan and trials.

Error, front and hypervolume use complete trials only, because a stopped trial does not show its final error.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import search_spaces
from pipeline.cost.table import COSTS
from pipeline.evidence.records import Measurement
from pipeline.evidence.study_records import (
    Budget,
    Compute,
    SearchPlan,
    StudyRecord,
    StudyState,
    Trial,
    TrialRecord,
)
from pipeline.schema import to_json
from pipeline.search.gate import costs_of
from pipeline.search.pareto import front, hypervolume
from pipeline.search.stored_trials import objective_values


@dataclass(frozen=True)
class Bounds:
    """The range of each objective in which the hypervolume is computed; costs as logarithms."""

    least: tuple[float, ...]
    most: tuple[float, ...]

    def scaled(self, values: Sequence[float]) -> list[float]:
        """Each value scaled to [0, 1] within its range."""
        return [
            (value - low) / (high - low) if high > low else 0.0
            for value, low, high in zip(values, self.least, self.most, strict=True)
        ]


def bounds_of(plan: SearchPlan, trials: Collection[Trial]) -> Bounds:
    """Error in [0, chance]; costs from the space's smallest to the limit, or to its largest without a limit.

    The space does not give the range of a measured cost, so the range of the trials is used.
    """
    least, most = [0.0], [100.0 * (1 - 1 / plan.classes)]
    for cost in plan.costs:
        if cost.count is None:
            measured = [trial.costs[cost.key] for trial in trials if cost.key in trial.costs] or [1.0]
            low, high = min(measured), max(measured)
        else:
            low, high = _extremes(plan, cost.key)
        least.append(math.log10(low))
        most.append(math.log10(plan.limits.given.get(cost.key, high)))
    return Bounds(tuple(least), tuple(most))


def _extremes(plan: SearchPlan, key: str) -> tuple[float, float]:
    """The smallest and the largest value of a counted cost in the plan's space."""
    space = search_spaces.space(plan.space)

    def signed(sign: int) -> float:
        def measure(design: search_spaces.Design) -> float:
            costs = costs_of(design, plan)
            return math.inf if costs is None else sign * costs[key]

        return sign * space.least(measure)[1]

    return signed(1), signed(-1)


def counted(trials: Collection[Trial]) -> list[Trial]:
    """The counted trials, in the order in which they were counted."""
    return sorted((t for t in trials if t.counted_at is not None), key=lambda trial: trial.counted_at or 0)


def front_of(plan: SearchPlan, trials: Collection[Trial]) -> list[int]:
    """Numbers of the complete trials on the front."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return [complete[index].number for index in front([objective_values(trial, plan) for trial in complete])]


def hypervolumes(plan: SearchPlan, trials: Collection[Trial], bounds: Bounds) -> list[float]:
    """The dominated share of the objective space after each counted trial, before the next one is counted.

    A trial contributes once it is complete. With halving this can be long after it was counted.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    waiting = sorted(complete, key=lambda trial: trial.rungs[-1].arrival, reverse=True)
    shown = counted(trials)
    points: list[list[float]] = []
    curve: list[float] = []
    for index in range(len(shown)):
        next_arrival = min((trial.rungs[0].arrival for trial in shown[index + 1 :] if trial.rungs), default=math.inf)
        while waiting and waiting[-1].rungs[-1].arrival < next_arrival:
            error, *costs = objective_values(waiting.pop(), plan)
            points.append(bounds.scaled([error, *(math.log10(cost) for cost in costs)]))
            points = [points[index] for index in front(points)]
        curve.append(hypervolume(points, [1.0] * len(plan.objectives)) if points else 0.0)
    return curve


def images_seen(trial: Trial, plan: SearchPlan) -> int:
    """Training images that went through the network, repeats included. An interrupted epoch counts in full."""
    return images_of(plan, max(trial.epochs_seen, trial.rungs[-1].epochs if trial.rungs else 0))


def images_of(plan: SearchPlan, epochs: int) -> int:
    """Training images that go through a network in a number of epochs."""
    assert plan.recipe.train_images is not None, "a plan has resolved the number of training images"
    batches = plan.recipe.train_images // plan.recipe.batch_size
    return epochs * batches * plan.recipe.batch_size


def seconds_of(measurement: Measurement, epochs: int) -> float:
    """Seconds of a training's first epochs, even if another study has trained the run further."""
    paces = measurement.images_per_second
    if len(paces) <= epochs:
        return measurement.train_seconds
    shares = [1 / pace for pace in paces]
    return measurement.train_seconds * sum(shares[:epochs]) / sum(shares)


def study_record(
    name: str,
    plan: SearchPlan,
    budget: Budget | None,
    state: StudyState,
    trials: Collection[Trial],
    tail: tuple[int, int],
    machines: Sequence[dict[str, dict[str, str]]] = (),
) -> StudyRecord:
    """The record of a study; `tail`: refused and duplicate candidates since its last trial."""
    shown = counted(trials)
    return StudyRecord(
        study=name,
        state=state,
        space=plan.space,
        data=plan.data,
        objectives=plan.objectives,
        limits=plan.limits.given,
        budget={} if budget is None else {key: v for key, v in to_json(budget).items() if v is not None},
        seed=plan.seed,
        sampler=plan.sampler,
        rungs=plan.rungs,
        plan=plan,
        counted=len(shown),
        refused=sum(trial.refused for trial in trials) + tail[0],
        duplicates=sum(trial.duplicates for trial in trials) + tail[1],
        trials=tuple(_trial_record(trial, plan) for trial in shown),
        front=tuple(front_of(plan, trials)),
        hypervolume=tuple(hypervolumes(plan, trials, bounds_of(plan, trials))),
        compute=Compute(
            sum(images_seen(trial, plan) for trial in trials), sum(trial.train_seconds for trial in trials)
        ),
        machines=tuple(machines),
    )


def _trial_record(trial: Trial, plan: SearchPlan) -> TrialRecord:
    return TrialRecord(
        number=trial.number,
        state=trial.state or "stopped",
        config=trial.config,
        values=trial.values,
        validation_error_percent=trial.errors[-1] if trial.rungs else None,
        rungs=trial.rungs,
        attempts=trial.attempts,
        reason=trial.reason,
        train_images_seen=images_seen(trial, plan),
        epochs_seen=trial.epochs_seen,
        train_seconds=trial.train_seconds,
        micro_batches=trial.micro_batches,
        run=trial.run,
        drawn_by=trial.drawn_by,
        **{key: COSTS[key].unit.exact(value) for key, value in trial.costs.items()},
    )
