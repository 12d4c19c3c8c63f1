"""A study's record: the contract's JSON, computed from its plan and its trials alone.

Error, front and hypervolume rest on complete trials: one that was stopped has told how it began, not what it is worth.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import search_spaces
from pipeline.cost.limits import COSTS, Cost
from pipeline.evidence.records import Measurement
from pipeline.evidence.study_records import COST_OF, Budget, Rung, SearchPlan, StudyState, Trial
from pipeline.schema import parse, to_json
from pipeline.search.gate import costs_of
from pipeline.search.pareto import front, hypervolume
from pipeline.search.studies import objective_values


@dataclass(frozen=True)
class Bounds:
    """Least and most of each objective, between which the hypervolume is taken; costs as logarithms."""

    least: tuple[float, ...]
    most: tuple[float, ...]

    def scaled(self, values: Sequence[float]) -> list[float]:
        """Each value as its share of the way from least to most."""
        return [
            (value - low) / (high - low) if high > low else 0.0
            for value, low, high in zip(values, self.least, self.most, strict=True)
        ]


def bounds_of(plan: SearchPlan, trials: Sequence[Trial]) -> Bounds:
    """Error in [0, chance]; costs from the space's smallest to the limit, or to its largest where there is none.

    Latency has no bounds of its own: those of the trials.
    """
    least, most = [0.0], [100.0 * (1 - 1 / plan.classes)]
    for objective in plan.objectives[1:]:
        cost = COST_OF[objective]
        if cost == "latency_seconds":
            measured = [trial.costs[cost] for trial in trials if cost in trial.costs] or [1.0]
            low, high = min(measured), plan.limits.latency_seconds or max(measured)
        else:
            low, high = _extremes(plan, cost)
            high = plan.limits.given.get(cost, high)
        least.append(math.log10(low))
        most.append(math.log10(high))
    return Bounds(tuple(least), tuple(most))


def _extremes(plan: SearchPlan, cost: Cost) -> tuple[float, float]:
    space = search_spaces.space(plan.space)

    def signed(sign: int) -> float:
        def measure(design: search_spaces.Design) -> float:
            costs = costs_of(design, plan)
            return math.inf if costs is None else sign * costs[cost]

        return sign * space.least(measure)[1]

    return signed(1), signed(-1)


def counted(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that count, in the order in which they came to."""
    return sorted((t for t in trials if t.counted_at is not None), key=lambda trial: trial.counted_at or 0)


def front_of(plan: SearchPlan, trials: Sequence[Trial]) -> list[int]:
    """Numbers of the complete trials that no other dominates."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return [complete[index].number for index in front([objective_values(trial, plan) for trial in complete])]


def hypervolumes(plan: SearchPlan, trials: Sequence[Trial], bounds: Bounds) -> list[float]:
    """The share of the objective space that is dominated after each counted trial, before the next counts.

    A trial adds to it once it has been trained in full, which with halving may be long after it began to count.
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
    """Training images that went through the network, repeats included; of an epoch that was cut short, all."""
    return images_of(plan, max(trial.epochs_seen, trial.rungs[-1].epochs if trial.rungs else 0))


def images_of(plan: SearchPlan, epochs: int) -> int:
    """Training images that go through a network in so many epochs."""
    assert plan.recipe.train_images is not None, "a plan says how many"
    batches = plan.recipe.train_images // plan.recipe.batch_size
    return epochs * batches * plan.recipe.batch_size


def seconds_of(measurement: Measurement, epochs: int) -> float:
    """Seconds of a training's first epochs; a run that others had trained further took them as well."""
    paces = measurement.images_per_second
    if len(paces) <= epochs:
        return measurement.train_seconds
    shares = [1 / pace for pace in paces]
    return measurement.train_seconds * sum(shares[:epochs]) / sum(shares)


def study_json(
    name: str,
    plan: SearchPlan,
    budget: Budget | None,
    state: StudyState,
    trials: Sequence[Trial],
    tail: tuple[int, int],
) -> dict[str, Any]:
    """What `convstudy search --json` and `status --json` write."""
    shown = counted(trials)
    return {
        "study": name,
        "state": state,
        "space": list(plan.space),
        "data": plan.data,
        "objectives": list(plan.objectives),
        "limits": {**plan.limits.given},
        "budget": {} if budget is None else {key: v for key, v in to_json(budget).items() if v is not None},
        "seed": plan.seed,
        "sampler": plan.sampler,
        "rungs": list(plan.rungs),
        "plan": to_json(plan),
        "counted": len(shown),
        "refused": sum(trial.refused for trial in trials) + tail[0],
        "duplicates": sum(trial.duplicates for trial in trials) + tail[1],
        "trials": [_trial_json(trial, images_seen(trial, plan)) for trial in shown],
        "front": front_of(plan, trials),
        "hypervolume": hypervolumes(plan, trials, bounds_of(plan, trials)),
        "compute": {
            "train_images_seen": sum(images_seen(trial, plan) for trial in trials),
            "train_seconds": sum(trial.train_seconds for trial in trials),
        },
    }


def trials_of(record: Mapping[str, Any]) -> list[Trial]:
    """The trials of a finished study's record, by number, as far as it holds them."""
    return [
        Trial(
            number=trial["number"],
            config=trial["config"],
            values=trial["values"],
            costs={cost: trial[cost] for cost in COSTS if cost in trial},
            run=trial["run"],
            rungs=tuple(parse(Rung, rung, f"rung of trial {trial['number']}") for rung in trial["rungs"]),
            state=trial["state"],
            reason=trial["reason"],
            epochs_seen=trial.get("epochs_seen", 0),
            train_seconds=trial.get("train_seconds", 0.0),
            micro_batches=trial.get("micro_batches", 1),
            counted_at=index,
        )
        for index, trial in sorted(enumerate(record["trials"], start=1), key=lambda entry: entry[1]["number"])
    ]


def _trial_json(trial: Trial, seen: int) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state or "stopped",
        "config": trial.config,
        "values": trial.values,
        **{str(cost): value if cost == "latency_seconds" else int(value) for cost, value in trial.costs.items()},
        "validation_error_percent": trial.rungs[-1].validation_error_percent if trial.rungs else None,
        "rungs": [to_json(rung) for rung in trial.rungs],
        "attempts": trial.attempts,
        "reason": trial.reason,
        "train_images_seen": seen,
        "epochs_seen": trial.epochs_seen,
        "train_seconds": trial.train_seconds,
        "micro_batches": trial.micro_batches,
        "run": trial.run,
        "drawn_by": trial.drawn_by,
    }
