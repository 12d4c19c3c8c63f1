"""Reproduce: each network under one protocol, its learning rate chosen on validation data, then n seeds and the test.

The rate-choosing runs have seed 0; the seeds that are reported start at 1, so no reported run took part in the choice.
Test images are read once per seed, after its training has ended.
"""

from collections.abc import Sequence
from dataclasses import replace

import search_spaces
from pipeline.data.manifest import Manifest, summary
from pipeline.evidence.records import (
    GroupRecord,
    Membership,
    NetworkRecord,
    RateTrial,
    Role,
    SeedRun,
)
from pipeline.evidence.statistics import flags_of, mean_interval
from pipeline.evidence.tracking_content import GROUP_EXPERIMENT
from pipeline.machine import DeviceKind
from pipeline.schema import parse
from pipeline.search.plans import PlannedNetwork, RunPlan, run_spec
from pipeline.search.runner import PASSING_REASONS, Outcome, Request, Runner
from pipeline.training.recipe import Recipe

CHOICE_SEED = 0


def reproduce(plan: RunPlan, manifest: Manifest, runner: Runner, device: DeviceKind) -> GroupRecord:
    """Train what the plan says; a network whose runs all fail stays in the record, with the reasons."""
    networks = {network.name: network for network in plan.networks}
    trials: dict[str, dict[float, Outcome]] = {name: {} for name in networks}
    seeds: dict[str, dict[int, Outcome]] = {name: {} for name in networks}
    chosen: dict[str, float | None] = {}

    def train_seeds(network: PlannedNetwork, rate: float | None) -> None:
        chosen[network.name] = rate
        for request in seed_requests(network, rate, plan.seeds, manifest, device) if rate is not None else ():
            runner.submit(request)

    for network in plan.networks:
        for request in rate_requests(network, manifest, device):
            runner.submit(request)
        if len(network.rates) == 1:
            train_seeds(network, network.rates[0])
    for outcome in runner.outcomes():
        network, spec = networks[outcome.request.name], outcome.request.spec
        if outcome.request.member.role == "seed":
            seeds[network.name][spec.seed] = outcome
            continue
        tried = trials[network.name]
        tried[spec.recipe.learning_rate] = outcome
        if len(tried) == len(network.rates):
            if any(tried[rate].lost for rate in tried):  # chance must not choose the rate
                chosen[network.name] = None
                continue
            train_seeds(network, choose_rate([_rate_trial(tried[rate]) for rate in network.rates]))
    records = tuple(
        _record(
            network,
            plan,
            chosen[name],
            [_rate_trial(trials[name][rate]) for rate in network.rates if rate in trials[name]],
            [_seed_run(seeds[name][seed]) for seed in sorted(seeds[name])],
        )
        for name, network in networks.items()
    )
    return GroupRecord("group/1", plan.group, plan.profile, summary(manifest), records)


def planned_requests(plan: RunPlan, manifest: Manifest, device: DeviceKind) -> list[Request]:
    """All requests of a plan, for an estimate: the seeds stand at the first rate, since none is chosen yet."""
    return [
        request
        for network in plan.networks
        for request in (
            *rate_requests(network, manifest, device),
            *seed_requests(network, network.rates[0], plan.seeds, manifest, device),
        )
    ]


def rate_requests(network: PlannedNetwork, manifest: Manifest, device: DeviceKind) -> list[Request]:
    """One short run a learning rate; none where there is nothing to choose."""
    if len(network.rates) == 1:
        return []
    recipes = (replace(network.choice_recipe, learning_rate=rate) for rate in network.rates)
    return [_request(network, recipe, CHOICE_SEED, manifest, device, "learning-rate") for recipe in recipes]


def seed_requests(
    network: PlannedNetwork, rate: float, seeds: Sequence[int], manifest: Manifest, device: DeviceKind
) -> list[Request]:
    """One run a seed at the chosen rate, each to be tested."""
    recipe = replace(network.recipe, learning_rate=rate)
    return [_request(network, recipe, seed, manifest, device, "seed") for seed in seeds]


def choose_rate(trials: Sequence[RateTrial]) -> float | None:
    """The rate of the lowest validation error, the smaller one of equals; None where every run failed."""
    scored = [
        (trial.validation_error_percent, trial.learning_rate)
        for trial in trials
        if trial.validation_error_percent is not None
    ]
    return min(scored)[1] if scored else None


def _request(
    network: PlannedNetwork, recipe: Recipe, seed: int, manifest: Manifest, device: DeviceKind, role: Role
) -> Request:
    return Request(
        spec=run_spec(network.family, network.config, network.resolution, recipe, seed, manifest, device),
        name=network.name,
        member=Membership(GROUP_EXPERIMENT, network.name, role),
        test=role == "seed",
    )


def _rate_trial(outcome: Outcome) -> RateTrial:
    result = outcome.folder.result() if outcome.state == "complete" else None
    return RateTrial(
        learning_rate=outcome.request.spec.recipe.learning_rate,
        run=outcome.folder.run,
        state=outcome.state,
        reason=outcome.reason,
        validation_error_percent=result.history[-1].validation_error_percent if result else None,
    )


def _seed_run(outcome: Outcome) -> SeedRun:
    result, score = outcome.folder.result(), outcome.folder.test_score()
    return SeedRun(
        run=outcome.folder.run,
        seed=outcome.request.spec.seed,
        state=outcome.state,
        reason=outcome.reason,
        history=result.history if result else (),
        test_error_percent=score.test_error_percent if score and outcome.state == "complete" else None,
        measurement=outcome.folder.measurement(),
    )


def _record(
    network: PlannedNetwork, plan: RunPlan, rate: float | None, trials: list[RateTrial], runs: list[SeedRun]
) -> NetworkRecord:
    family = search_spaces.family(network.family)
    config = parse(family.config, network.config, f"config of {network.name}")
    price = search_spaces.price(family, config, network.resolution, plan.channels, plan.classes)
    complete = [run for run in runs if run.state == "complete"]
    validation = [run.history[-1].validation_error_percent for run in complete]
    flags = flags_of(validation, plan.classes, failed=len(runs) - len(complete))
    if rate is None:
        lost = any(trial.reason in PASSING_REASONS for trial in trials)
        flags = (*flags, "a run for its learning rate was lost" if lost else "no learning rate trains it")
    elif len(network.rates) > 1 and rate in (min(network.rates), max(network.rates)):
        flags = (*flags, "best learning rate at the edge of the grid")
    return NetworkRecord(
        name=network.name,
        family=network.family,
        config=network.config,
        resolution=network.resolution,
        params=price.params,
        macs=price.macs,
        activations=price.activations,
        rates=tuple(trials),
        recipe=network.recipe if rate is None else replace(network.recipe, learning_rate=rate),
        runs=tuple(runs),
        validation_error_percent=mean_interval(validation),
        test_error_percent=mean_interval([r.test_error_percent for r in complete if r.test_error_percent is not None]),
        train_seconds=mean_interval([r.measurement.train_seconds for r in complete if r.measurement is not None]),
        flags=flags,
    )
