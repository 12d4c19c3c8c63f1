"""Finalists: retrains the members of a study's front and compares them with baselines that need no search.

A search's best score is the best of many noisy scores, so it is too good (the winner's curse). Therefore the winners
are retrained with seeds that the search did not use, and tested once each. They are compared with the family's cheapest
reference of the same or higher cost, with random networks of the same cost, and with the best network of a random
search of the same compute.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.evidence.finalist_records import ComparisonVerdict, FinalistComparison, FinalistsRecord, Member
from pipeline.evidence.records import Interval, Membership
from pipeline.evidence.statistics import chance_error_percent, mean_interval, median_interval
from pipeline.evidence.study_records import SearchPlan, StudyRecord, TrialRecord
from pipeline.files import canonical_json
from pipeline.running.outcomes import Outcome
from pipeline.running.requests import Request
from pipeline.running.runner import Runner
from pipeline.search.baselines import Rival, rivals_of
from pipeline.search.candidates import spec_of
from pipeline.search.gate import MeasuredCosts
from pipeline.search.pareto import ranked
from pipeline.search.stored_trials import objective_values
from pipeline.settings import FinalistsSettings
from pipeline.tracking.content import SEARCH_EXPERIMENT

HALVES = 0.975
"""Confidence of each of two intervals that are combined into a 95 % interval."""


def finalists(
    study: StudyRecord,
    plan: SearchPlan,
    wanted: FinalistsSettings,
    runner: Runner,
    random_search: StudyRecord | None = None,
    measure: MeasuredCosts = lambda design: {},
    expect: Callable[[int], object] = lambda count: None,
) -> FinalistsRecord:
    """Train the networks that the comparisons need, and compare. Finished trainings are reused.

    `measure` returns the costs that only a built network has, if they are limited or minimised. `expect` is called with
    the number of runs.
    """
    by_number = study.by_number
    front = [by_number[number] for number in study.front]
    members = [front[index] for index in ranked([objective_values(trial, plan) for trial in front], wanted.members)]
    seeds = tuple(plan.seed + 1 + index for index in range(wanted.seeds))  # the search's own took part in the choice
    rivals, notes = rivals_of(plan, members, wanted, seeds, random_search, measure)
    if study.guessing_note is not None:
        notes.append(study.guessing_note)
    left = sorted(set(study.front) - {member.number for member in members})
    if left:
        notes.append(f"{len(left)} of the {len(front)} members of the front were not retrained: trials {_list(left)}")
    outcomes = _train(study.study, plan, runner, [(t.config, seeds) for t in members], rivals, expect)
    notes += dict.fromkeys(_failures(members, rivals, seeds, outcomes))  # members may share a reference
    records = tuple(_member(trial, seeds, outcomes) for trial in members)
    gaps = [
        record.validation_error_percent.mean - record.search_error_percent
        for record in records
        if record.validation_error_percent is not None
    ]
    compared = (_compare(by_number[rival.trial], rival, seeds, outcomes, plan.classes) for rival in rivals)
    return FinalistsRecord(
        schema="finalists/1",
        study=study.study,
        data=plan.data,
        recipe=plan.recipe,
        seeds=seeds,
        members=records,
        winners_curse_points=mean_interval(gaps),
        comparisons=tuple(comparison for comparison in compared if comparison is not None),
        notes=tuple(notes),
        random_course=tuple(_course(random_search)) if random_search else (),
        lost=sum(outcome.lost for outcome in outcomes.values()),
        train_seconds=_seconds(outcomes.values()) + (random_search.compute.train_seconds if random_search else 0.0),
    )


def _seconds(outcomes: Iterable[Outcome]) -> float:
    measured = (outcome.folder.measurement() for outcome in outcomes)
    return sum(measurement.train_seconds for measurement in measured if measurement is not None)


def _course(study: StudyRecord) -> Iterator[tuple[int, float]]:
    """(training images seen, lowest error so far) after each trial of a study that trains in full."""
    seen, lowest = 0, math.inf
    for trial in study.trials:
        seen += trial.train_images_seen
        if trial.state == "complete":
            lowest = min(lowest, trial.errors[-1])
            yield seen, lowest


Outcomes = Mapping[tuple[str, int], Outcome]
"""(canonical JSON of a network, seed) -> its outcome."""


def _train(
    study: str,
    plan: SearchPlan,
    runner: Runner,
    members: Iterable[tuple[dict[str, Any], tuple[int, ...]]],
    rivals: Iterable[Rival],
    expect: Callable[[int], object],
) -> Outcomes:
    named = [(f"finalist {index}", config, seeds) for index, (config, seeds) in enumerate(members)]
    named += [(_named(rival), config, rival.seeds) for rival in rivals for config in rival.configs]
    requests: dict[tuple[str, int], Request] = {}
    for name, config, seeds in named:
        for seed in seeds:
            spec = replace(spec_of(plan, config), seed=seed)
            request = Request(spec, name, Membership(SEARCH_EXPERIMENT, study, "finalist"), test=True)
            requests.setdefault((canonical_json(config), seed), request)
    expect(len(requests))
    by_run = {request.spec.hash: key for key, request in requests.items()}
    for request in requests.values():
        runner.submit(request)
    return {by_run[outcome.folder.run]: outcome for outcome in runner.outcomes()}


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _named(rival: Rival) -> str:
    return rival.name if rival.against == "reference" else f"rival of trial {rival.trial}"


def _validated(ended: Iterable[Outcome]) -> list[float]:
    """Final validation errors of the complete runs."""
    return [
        result.history[-1].validation_error_percent
        for outcome in ended
        if outcome.state == "complete" and (result := outcome.folder.result()) is not None
    ]


def _member(trial: TrialRecord, seeds: Sequence[int], outcomes: Outcomes) -> Member:
    ended = [outcomes[canonical_json(trial.config), seed] for seed in seeds]
    return Member(
        trial=trial.number,
        config=trial.config,
        params=int(trial.costs["params"]),
        macs=int(trial.costs["macs"]),
        search_error_percent=trial.errors[-1],
        validation_error_percent=mean_interval(_validated(ended)),
        test_error_percent=mean_interval(list(_tested(ended).values())),
        runs=tuple(outcome.folder.run for outcome in ended),
    )


def _tested(ended: Iterable[Outcome]) -> dict[int, float]:
    """Seed -> test error of the complete runs."""
    return {
        outcome.request.spec.seed: score.test_error_percent
        for outcome in ended
        if outcome.state == "complete" and (score := outcome.folder.test_score()) is not None
    }


def _failures(
    members: Iterable[TrialRecord], rivals: Iterable[Rival], seeds: Sequence[int], outcomes: Outcomes
) -> Iterator[str]:
    """One sentence for each network or group of networks with failed trainings."""
    named = [(f"trial {trial.number}", [trial.config], seeds) for trial in members]
    for rival in rivals:
        name = rival.name if rival.against == "reference" else f"the {rival.against} compared with trial {rival.trial}"
        named.append((name, list(rival.configs), rival.seeds))
    for name, configs, used_seeds in named:
        ended = [outcomes[canonical_json(config), seed] for config in configs for seed in used_seeds]
        lost = [outcome for outcome in ended if outcome.lost]
        diverged = sum(outcome.state == "failed" for outcome in ended) - len(lost)
        share = f"{len(ended)} trainings of {name}"
        if diverged:
            yield f"{diverged} of {share} diverged and are counted at chance level"
        if lost:
            yield f"{len(lost)} of {share} were lost ({lost[0].reason}) and are not compared"


def _scored(ended: Iterable[Outcome], classes: int) -> dict[int, float]:
    """Seed -> test error. A training that diverged counts at chance level; a lost one is left out."""
    ended = list(ended)
    diverged = [outcome for outcome in ended if outcome.state == "failed" and not outcome.lost]
    return _tested(ended) | {outcome.request.spec.seed: chance_error_percent(classes) for outcome in diverged}


def _compare(
    member: TrialRecord, rival: Rival, seeds: Sequence[int], outcomes: Outcomes, classes: int
) -> FinalistComparison | None:
    own = _scored((outcomes[canonical_json(member.config), seed] for seed in seeds), classes)
    ended = [outcomes[canonical_json(config), seed] for config in rival.configs for seed in rival.seeds]
    if rival.against == "random networks":
        theirs = [score for outcome in ended for score in _scored([outcome], classes).values()]
        found = _difference(mean_interval(list(own.values()), HALVES), median_interval(theirs, HALVES))
        validated, n = median_interval(_validated(ended)), len(theirs)
    else:
        others = _scored(ended, classes)
        found = mean_interval([own[seed] - others[seed] for seed in seeds if seed in own and seed in others])
        validated, n = mean_interval(_validated(ended)), found.n if found else 0
    if found is None:
        return None
    return FinalistComparison(
        trial=member.number,
        against=rival.against,
        name=rival.name,
        macs=rival.macs,
        validation_error_percent=validated,
        difference=found.mean,
        interval=found.interval,
        n=n,
        verdict=verdict(found.interval),
    )


def _difference(one: Interval | None, other: Interval | None) -> Interval | None:
    """One minus other, with the widest interval that their two intervals allow."""
    if one is None or other is None:
        return None
    ends = None
    if one.interval is not None and other.interval is not None:
        ends = (one.interval[0] - other.interval[1], one.interval[1] - other.interval[0])
    return Interval(one.mean - other.mean, ends, min(one.n, other.n))


def verdict(interval: tuple[float, float] | None) -> ComparisonVerdict:
    """The verdict on a difference in error, from its interval."""
    if interval is None or interval[0] <= 0 <= interval[1]:
        return "undecided"
    return "better" if interval[1] < 0 else "worse"
