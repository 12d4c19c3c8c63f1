"""Trains each network under one protocol: selects its learning rate on validation data, then trains n seeds and tests.

The trainings that select the rate use other seeds than the reported ones, so no reported run takes part in the
selection. Test images are read once per seed, after its training has ended.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from pipeline.data.manifest import Manifest, summary
from pipeline.errors import RunsFailedError
from pipeline.evidence.records import (
    PASSING_REASONS,
    GroupRecord,
    NetworkRecord,
    RateTrial,
    SeedRun,
)
from pipeline.evidence.statistics import AT_THE_EDGE, IN_MICRO_BATCHES, NO_RATE_TRAINS, flags_of, mean_interval
from pipeline.machine import DeviceKind, resolve_precision
from pipeline.running.outcomes import Outcome
from pipeline.running.plans import PlannedNetwork, RunPlan, price_of
from pipeline.running.published import published_runs
from pipeline.running.rate_choice import RateChoice
from pipeline.running.requests import Request, seed_requests


class Runs(Protocol):
    """A source of runs: a Runner trains those that are not finished, StoredRuns leaves them out."""

    def holds(self, request: Request) -> bool:
        """Whether the run is finished already."""
        ...

    def submit(self, request: Request) -> None:
        """Request a run."""
        ...

    def outcomes(self) -> Iterator[Outcome]:
        """How the requested runs ended."""
        ...

    def stop(self, request: Request, trained: bool = True) -> None:
        """Report that a stopped run will not be resumed."""
        ...


def check_final(record: GroupRecord) -> None:
    """Raise RunsFailedError if a run failed because of the machine, since a retry may succeed.

    A group in which no network can be trained is a valid result.
    """
    if record.lost:
        raise RunsFailedError(f"{len(record.lost)} runs of {record.group} were lost ({record.lost[0]}): run it again")


def reproduce(
    plan: RunPlan, manifest: Manifest, runner: Runs, device: DeviceKind, published: GroupRecord | None = None
) -> GroupRecord:
    """Train what the plan says, except runs that only the `published` record has.

    A network whose runs all fail stays in the record, with the reasons. A network whose rate is not yet selected,
    because outcomes are missing, is left out.
    """
    networks = {network.name: network for network in plan.networks}
    known = {network.name: published_runs(network, plan, manifest, device, published) for network in plan.networks}
    choices = {network.name: RateChoice(network, manifest, device) for network in plan.networks}
    seeds: dict[str, dict[int, Outcome]] = {name: {} for name in networks}
    taken_over: dict[str, dict[int, SeedRun]] = {name: {} for name in networks}
    chosen: dict[str, float | None] = {}

    def train_seeds(network: PlannedNetwork, rate: float | None) -> None:
        chosen[network.name] = rate
        for request in seed_requests(network, rate, plan, manifest, device) if rate is not None else ():
            run = known[network.name].runs.get(request.spec.hash)
            if run is None or runner.holds(request):
                runner.submit(request)
            else:
                taken_over[network.name][run.seed] = run

    for network in plan.networks:
        rate = network.rates[0] if len(network.rates) == 1 else known[network.name].rate
        if rate is not None:
            train_seeds(network, rate)
            continue
        for request in choices[network.name].next_requests():
            runner.submit(request)
    for outcome in runner.outcomes():
        network, spec = networks[outcome.request.name], outcome.request.spec
        if outcome.request.member.role == "seed":
            seeds[network.name][spec.seed] = outcome
            continue
        choice = choices[network.name]
        if not choice.tell(outcome):
            continue  # other runs of its rung are still training
        requests = choice.next_requests()
        for request in requests:
            runner.submit(request)
        if not requests:
            for stopped in choice.stopped():
                runner.stop(stopped.request, stopped.trained)
            train_seeds(network, choice.rate())
    records = tuple(
        _record(
            network,
            plan,
            chosen[name],
            device,
            [*known[name].trials, *choices[name].trials()],
            _in_order(taken_over[name] | {seed: _seed_run(outcome) for seed, outcome in seeds[name].items()}),
            len(taken_over[name]),
        )
        for name, network in networks.items()
        if name in chosen
    )
    return GroupRecord("group/1", plan.group, plan.profile, summary(manifest), records)


def _in_order(runs: dict[int, SeedRun]) -> list[SeedRun]:
    return [runs[seed] for seed in sorted(runs)]


def _seed_run(outcome: Outcome) -> SeedRun:
    result, score = outcome.folder.result(), outcome.folder.test_score()
    return SeedRun(
        run=outcome.folder.run,
        seed=outcome.request.spec.seed,
        state="complete" if outcome.state == "complete" else "failed",
        reason=outcome.reason,
        history=result.history if result else (),
        test_error_percent=score.test_error_percent if score and outcome.state == "complete" else None,
        measurement=outcome.folder.measurement(),
        probes=outcome.folder.probes(),
    )


def _record(
    network: PlannedNetwork,
    plan: RunPlan,
    rate: float | None,
    device: DeviceKind,
    trials: list[RateTrial],
    runs: list[SeedRun],
    taken_over: int,
) -> NetworkRecord:
    price = price_of(network.family, network.config, network.resolution, plan.channels, plan.classes)
    complete = [run for run in runs if run.state == "complete"]
    validation = [run.history[-1].validation_error_percent for run in complete]
    flags = flags_of(validation, plan.classes, failed=len(runs) - len(complete))
    if rate is None:
        lost = any(trial.reason in PASSING_REASONS for trial in trials)
        flags = (*flags, "a run for its learning rate was lost" if lost else NO_RATE_TRAINS)
    elif len(network.rates) > 1 and rate in (min(network.rates), max(network.rates)):
        flags = (*flags, AT_THE_EDGE)
    parts = [run.measurement.micro_batches if run.measurement else 1 for run in runs]
    parts += [trial.micro_batches for trial in trials]
    if split := sum(part > 1 for part in parts):
        flags = (*flags, f"{split} of {len(parts)} {IN_MICRO_BATCHES}, for want of memory")
    if taken_over:
        flags = (*flags, f"{taken_over} of {len(runs)} seeds published, made elsewhere")
    recipe = network.recipe_at(network.rates[0] if rate is None else rate)  # if none was selected: any tried one
    return NetworkRecord(
        name=network.name,
        family=network.family,
        config=network.config,
        resolution=network.resolution,
        params=price.params,
        macs=price.macs,
        activations=price.activations,
        rates=tuple(trials),
        recipe=replace(recipe, precision=resolve_precision(recipe.precision, device)),
        runs=tuple(runs),
        validation_error_percent=mean_interval(validation),
        test_error_percent=mean_interval([r.test_error_percent for r in complete if r.test_error_percent is not None]),
        train_seconds=mean_interval([r.measurement.train_seconds for r in complete if r.measurement is not None]),
        flags=flags,
    )
