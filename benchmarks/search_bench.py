"""`convstudy bench-search`: search algorithms compared on a population, without training.

Every sampler, with and without halving, searches the population's space again and again, its trainings answered by the
surrogate with a training's noise. What counts is what the search would deliver: the networks it would choose by its
noisy scores, at their expected errors, against the training images it has seen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import search_spaces
from benchmarks.surrogate import Surrogate
from pipeline.evidence.records import Interval
from pipeline.evidence.statistics import mean_interval
from pipeline.evidence.study_records import Objective, Rung, SamplerName, SearchPlan, Trial, TrialState
from pipeline.search.asha import Standing, to_promote
from pipeline.search.candidates import Candidates, number_trial
from pipeline.search.halving import rungs
from pipeline.search.pareto import front, hypervolume
from pipeline.search.study_summary import bounds_of

REDUCTION = 3
CHECKED_BUDGETS = (15, 30, 60)
"""In networks trained in full; a budget is so many times the images that one such training sees."""


@dataclass(frozen=True)
class Arm:
    """One way to search."""

    sampler: SamplerName
    halving: bool
    informed: bool = True

    @property
    def name(self) -> str:
        """As a table names it."""
        told = f"{self.sampler}, {'halving' if self.halving else 'full'}"
        return told if self.informed else f"{told}, not told of stopped trials"


@dataclass(frozen=True)
class Outcome:
    """What one simulated search has to show at each checked budget."""

    error_percent: tuple[float, ...]
    hypervolume: tuple[float, ...]
    trials: int


def simulate(
    arm: Arm, base: SearchPlan, surrogate: Surrogate, repeat: int, objectives: tuple[Objective, ...]
) -> Outcome:
    """Search with one worker until the largest budget is spent."""
    epochs = base.recipe.epochs
    plan = replace(
        base,
        objectives=objectives,
        sampler=arm.sampler,
        seed=repeat,
        rungs=rungs(epochs, REDUCTION if arm.halving else None),
        reduction=REDUCTION if arm.halving else None,
    )
    space = search_spaces.space(plan.space)
    candidates = Candidates(plan, space)
    bounds = bounds_of(replace(plan, objectives=("error", "macs")), [])
    trials: list[Trial] = []
    told: list[tuple[float, float]] = []
    seen, counted = 0, 0
    budgets = [budget * epochs for budget in CHECKED_BUDGETS]
    while len(told) < len(budgets):
        number = _promoted(trials, plan, candidates) if arm.halving else None
        if number is None:
            candidates.view.learn(trials if arm.informed else [_hidden(trial) for trial in trials])
            candidate = candidates.next(len(trials))
            if candidate is None:
                break
            number = len(trials)
            trials.append(number_trial(number, candidate, f"{number}"))
            candidates.know(candidate.config)
            candidates.view.begin(trials[number])
        trial = trials[number]
        until = plan.rungs[len(trial.rungs)]
        seen += until - (trial.rungs[-1].epochs if trial.rungs else 0)
        while len(told) < len(budgets) and seen > budgets[len(told)]:  # this training would end too late
            told.append(_delivered(trials, surrogate, bounds))
        noisy = surrogate.curve(trial.values, trial.costs)[until - 1] + surrogate.noise(repeat, number)[until - 1]
        counted += 1
        rung = Rung(until, max(0.0, float(noisy)), counted)
        state: TrialState | None = "complete" if until == epochs else None
        trials[number] = replace(
            trial, rungs=(*trial.rungs, rung), state=state, counted_at=trial.counted_at or number + 1
        )
    return Outcome(tuple(error for error, _ in told), tuple(volume for _, volume in told), len(trials))


def _promoted(trials: Sequence[Trial], plan: SearchPlan, candidates: Candidates) -> int | None:
    standings = [
        Standing(
            trial.number,
            tuple(rung.validation_error_percent for rung in trial.rungs),
            tuple(candidates.view.values(0.0, trial.costs)[1:]),
            waiting=trial.state is None,
        )
        for trial in trials
    ]
    return to_promote(standings, len(plan.rungs), REDUCTION)


def _hidden(trial: Trial) -> Trial:
    """A trial as a sampler sees it that is not told of those that stopped."""
    return trial if trial.state == "complete" else replace(trial, rungs=())


def _delivered(trials: Sequence[Trial], surrogate: Surrogate, bounds: Any) -> tuple[float, float]:
    """Expected error of the network with the best score, and hypervolume of the front by scores at expected errors."""
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        return bounds.most[0], 0.0
    scores = [trial.rungs[-1].validation_error_percent for trial in complete]
    expected = [float(surrogate.curve(trial.values, trial.costs)[-1]) for trial in complete]
    costs = [float(np.log10(trial.costs["macs"])) for trial in complete]
    chosen = front(list(zip(scores, costs, strict=True)))
    points = [bounds.scaled([expected[place], costs[place]]) for place in chosen]
    return expected[int(np.argmin(scores))], hypervolume(points, [1.0, 1.0])


def paired(one: Sequence[float], other: Sequence[float]) -> Interval | None:
    """The mean difference over repeats with its interval."""
    return mean_interval([a - b for a, b in zip(one, other, strict=True)])


def compare(
    arms: Sequence[Arm],
    base: SearchPlan,
    surrogate: Surrogate,
    repeats: int,
    objectives: tuple[Objective, ...],
    tell: Callable[[str], None],
) -> dict[str, list[Outcome]]:
    """Every arm in every repeat, seeds shared."""
    found: dict[str, list[Outcome]] = {arm.name: [] for arm in arms}
    for repeat in range(repeats):
        for arm in arms:
            found[arm.name].append(simulate(arm, base, surrogate, repeat, objectives))
        tell(f"bench-search {repeat + 1}/{repeats}")
    return found
