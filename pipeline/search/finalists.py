"""Finalists: the members of a study's front trained again, and compared with what one could have had without a search.

A search's best score is the best of many noisy ones, and too good (the winner's curse). So its winners are trained
anew with seeds that took no part in the search, scored on test images once each, and set against the family's reference
at or above their cost, networks drawn at random at the same cost, and the best of a random search of the same compute.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import search_spaces
from pipeline.cost.limits import Cost
from pipeline.evidence.records import Interval, Membership
from pipeline.evidence.statistics import mean_interval, median_interval
from pipeline.evidence.study_records import (
    COST_OF,
    Against,
    FinalistComparison,
    FinalistsRecord,
    Member,
    SearchPlan,
    Trial,
    Verdict,
)
from pipeline.evidence.tracking_content import SEARCH_EXPERIMENT
from pipeline.files import canonical_json
from pipeline.search.candidates import spec_of
from pipeline.search.gate import costs_of, described, over
from pipeline.search.pareto import ranked
from pipeline.search.runner import Outcome, Request, Runner
from pipeline.search.studies import objective_values
from pipeline.search.study_summary import counted, front_of, images_seen
from pipeline.settings import FinalistsSettings
from pipeline.training.seeding import derive_seed
from search_spaces import Design

SIMILAR_COST = 0.8
"""Random networks cost between this share of a member's cost and all of it."""
RANDOM_DRAWS = 20_000
HALVES = 0.975
"""Confidence of each of two intervals whose ends make one of 95 %."""


@dataclass(frozen=True)
class _Rival:
    """Something a member is compared with, and the networks that must be trained for it, each with so many seeds."""

    trial: int
    against: Against
    name: str
    macs: int
    configs: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]


def finalists(
    study: str,
    plan: SearchPlan,
    trials: Sequence[Trial],
    wanted: FinalistsSettings,
    runner: Runner,
    random_search: Sequence[Trial] | None = None,
    expect: Callable[[int], object] = lambda count: None,
) -> FinalistsRecord:
    """Train what the comparisons need, and compare; what is finished already is not trained again.

    `expect` hears how many runs that takes.
    """
    complete = {number: trials[number] for number in front_of(plan, trials)}
    values = [objective_values(trial, plan) for trial in complete.values()]
    members = [list(complete.values())[place] for place in ranked(values, wanted.members)]
    seeds = tuple(plan.seed + 1 + place for place in range(wanted.seeds))  # the search's own took part in the choice
    rivals, skipped = _rivals(plan, members, wanted, seeds, random_search)
    outcomes = _train(study, plan, runner, [(t.config, seeds) for t in members], rivals, expect)
    records = tuple(_member(trial, seeds, outcomes) for trial in members)
    gaps = [
        record.validation_error_percent.mean - record.search_error_percent
        for record in records
        if record.validation_error_percent is not None
    ]
    compared = (_compare(trials[rival.trial], rival, seeds, outcomes) for rival in rivals)
    return FinalistsRecord(
        schema="finalists/1",
        study=study,
        data=plan.data,
        recipe=plan.recipe,
        seeds=seeds,
        members=records,
        winners_curse_points=mean_interval(gaps),
        comparisons=tuple(comparison for comparison in compared if comparison is not None),
        skipped=tuple(skipped),
        random_course=tuple(_course(plan, random_search or ())),
    )


def _course(plan: SearchPlan, trials: Sequence[Trial]) -> Iterator[tuple[int, float]]:
    """(training images seen, lowest error so far) of trials that train in full."""
    seen, lowest = 0, math.inf
    for trial in counted(trials):
        seen += images_seen(trial, plan)
        if trial.state == "complete":
            lowest = min(lowest, trial.rungs[-1].validation_error_percent)
            yield seen, lowest


Outcomes = Mapping[tuple[str, int], Outcome]
"""By network (its canonical JSON) and seed."""


def _train(
    study: str,
    plan: SearchPlan,
    runner: Runner,
    members: Iterable[tuple[dict[str, Any], tuple[int, ...]]],
    rivals: Iterable[_Rival],
    expect: Callable[[int], object],
) -> Outcomes:
    named = [(f"finalist {place}", config, seeds) for place, (config, seeds) in enumerate(members)]
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


def _named(rival: _Rival) -> str:
    return rival.name if rival.against == "reference" else f"rival of trial {rival.trial}"


def _rivals(
    plan: SearchPlan,
    members: Sequence[Trial],
    wanted: FinalistsSettings,
    seeds: tuple[int, ...],
    random_search: Sequence[Trial] | None,
) -> tuple[list[_Rival], list[str]]:
    rivals: list[_Rival] = []
    skipped: list[str] = []
    for member in members:
        reference = _reference(plan, member)
        if reference is None:
            skipped.append(f"trial {member.number}: no reference of its family costs as much or more")
        else:
            rivals.append(_Rival(member.number, "reference", *reference, seeds))
        drawn = _random_networks(plan, member, wanted.random_networks)
        if len(drawn) < wanted.random_networks:
            skipped.append(f"trial {member.number}: {len(drawn)} random networks at its cost were found")
        if drawn:
            macs = int(np.median([cost for _, cost in drawn]))
            configs = tuple(config for config, _ in drawn)
            rivals.append(_Rival(member.number, "random networks", f"{len(drawn)}", macs, configs, seeds[:1]))
        if random_search is not None:
            best = _best_within(plan, random_search, member)
            if best is None:
                skipped.append(f"trial {member.number}: random search found no network at or below its cost")
            else:
                macs = int(best.costs["macs"])
                rivals.append(
                    _Rival(member.number, "random search", f"trial {best.number}", macs, (best.config,), seeds)
                )
    if wanted.random_networks == 0:
        skipped.append("random networks at the same cost: none asked for")
    if random_search is None:
        skipped.append("random search of the same compute: not made in this profile")
    return rivals, skipped


def _cost(plan: SearchPlan) -> Cost:
    """The cost by which networks are called equally dear: the first one among the objectives, else MACs."""
    return next((COST_OF[objective] for objective in plan.objectives if objective != "error"), "macs")


def _reference(plan: SearchPlan, member: Trial) -> tuple[str, int, tuple[dict[str, Any], ...]] | None:
    """The cheapest reference of the member's family that costs as much or more: name, MACs, Config."""
    cost = _cost(plan)
    family = search_spaces.family(member.config["family"])
    dearer: list[tuple[float, str, Design, int]] = []
    for name, reference in family.references.items():
        design = Design(family, reference.config)
        costs = costs_of(design, plan)
        if costs is not None and cost in costs and costs[cost] >= member.costs[cost]:
            dearer.append((costs[cost], name, design, int(costs["macs"])))
    if not dearer:
        return None
    _, name, design, macs = min(dearer, key=lambda entry: entry[:2])
    return name, macs, (described(design),)


def _random_networks(plan: SearchPlan, member: Trial, count: int) -> list[tuple[dict[str, Any], float]]:
    """Up to `count` networks of the space at the member's cost and within the limits, each with its MACs."""
    cost = _cost(plan)
    space = search_spaces.space(plan.space)
    generator = np.random.default_rng(derive_seed(plan.seed, "finalists", member.number))
    found: dict[str, tuple[dict[str, Any], float]] = {}
    for _ in range(RANDOM_DRAWS if count and cost != "latency_seconds" else 0):
        design = space.design(space.draw(generator))
        costs = costs_of(design, plan)
        if costs is None or over(costs, plan) or not SIMILAR_COST <= costs[cost] / member.costs[cost] <= 1:
            continue
        config = described(design)
        found.setdefault(canonical_json(config), (config, costs["macs"]))
        if len(found) == count:
            break
    return list(found.values())


def _best_within(plan: SearchPlan, trials: Sequence[Trial], member: Trial) -> Trial | None:
    """The lowest error of a random search among complete trials that cost no more than the member."""
    cost = _cost(plan)
    within = [t for t in trials if t.state == "complete" and t.costs[cost] <= member.costs[cost]]
    return min(within, key=lambda trial: (trial.rungs[-1].validation_error_percent, trial.number), default=None)


def _validated(ended: Iterable[Outcome]) -> list[float]:
    """Validation errors at the end of the runs that completed."""
    return [
        result.history[-1].validation_error_percent
        for outcome in ended
        if outcome.state == "complete" and (result := outcome.folder.result()) is not None
    ]


def _member(trial: Trial, seeds: Sequence[int], outcomes: Outcomes) -> Member:
    ended = [outcomes[canonical_json(trial.config), seed] for seed in seeds]
    return Member(
        trial=trial.number,
        config=trial.config,
        params=int(trial.costs["params"]),
        macs=int(trial.costs["macs"]),
        search_error_percent=trial.rungs[-1].validation_error_percent,
        validation_error_percent=mean_interval(_validated(ended)),
        test_error_percent=mean_interval(list(_tested(ended).values())),
        runs=tuple(outcome.folder.run for outcome in ended),
    )


def _tested(ended: Iterable[Outcome]) -> dict[int, float]:
    """Test errors by seed, of the runs that completed."""
    return {
        outcome.request.spec.seed: score.test_error_percent
        for outcome in ended
        if outcome.state == "complete" and (score := outcome.folder.test_score()) is not None
    }


def _compare(member: Trial, rival: _Rival, seeds: Sequence[int], outcomes: Outcomes) -> FinalistComparison | None:
    own = _tested(outcomes[canonical_json(member.config), seed] for seed in seeds)
    ended = [outcomes[canonical_json(config), seed] for config in rival.configs for seed in rival.seeds]
    if rival.against == "random networks":
        theirs = [score for outcome in ended for score in _tested([outcome]).values()]
        found = _difference(mean_interval(list(own.values()), HALVES), median_interval(theirs, HALVES))
        validated, n = median_interval(_validated(ended)), len(theirs)
    else:
        others = _tested(ended)
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
    """One - other, with the interval that the ends of theirs allow."""
    if one is None or other is None:
        return None
    ends = None
    if one.interval is not None and other.interval is not None:
        ends = (one.interval[0] - other.interval[1], one.interval[1] - other.interval[0])
    return Interval(one.mean - other.mean, ends, min(one.n, other.n))


def verdict(interval: tuple[float, float] | None) -> Verdict:
    """What the interval of a difference in error allows to say."""
    if interval is None or interval[0] <= 0 <= interval[1]:
        return "undecided"
    return "better" if interval[1] < 0 else "worse"
