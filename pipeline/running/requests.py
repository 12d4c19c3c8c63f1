"""Requests for runs, and those of a plan: runs that choose each learning rate, and runs that are reported."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pipeline.data.manifest import Manifest
from pipeline.evidence.records import GroupRecord, Membership, Role, RunSpec
from pipeline.machine import DeviceKind
from pipeline.running.halving import rungs
from pipeline.running.plans import PlannedNetwork, RunPlan
from pipeline.running.published import published_runs
from pipeline.tracking.content import GROUP_EXPERIMENT
from pipeline.training.recipe import Recipe


@dataclass(frozen=True)
class Request:
    """A run that is wanted, for whom, and what of it: tested and probed once trained, or only its first epochs.

    `weights`: if they were removed, it is trained again for them.
    """

    spec: RunSpec
    name: str
    member: Membership
    test: bool = False
    until: int | None = None
    probes: tuple[str, ...] = ()
    weights: bool = False


def planned_requests(
    plan: RunPlan,
    manifest: Manifest,
    device: DeviceKind,
    published: GroupRecord | None = None,
    holds: Callable[[Request], bool] = lambda request: False,
    chosen: Mapping[str, float] = MappingProxyType({}),
) -> list[Request]:
    """All requests of a plan, for an estimate: seeds stand at the first rate where none is chosen yet.

    Runs that are `published` are left out, but for those that this machine `holds`; `chosen` are rates by network.
    """
    found: list[Request] = []
    for network in plan.networks:
        known = published_runs(network, plan, manifest, device, published)
        rate = known.rate
        if rate is None:
            found += rate_requests(network, manifest, device)
            rate = chosen.get(network.name, network.rates[0])
        seeds = seed_requests(network, rate, plan, manifest, device)
        found += [request for request in seeds if request.spec.hash not in known.runs or holds(request)]
    return found


def rate_requests(network: PlannedNetwork, manifest: Manifest, device: DeviceKind) -> list[Request]:
    """What choosing a rate trains if the smaller rates are the better ones; none where there is nothing to choose."""
    if len(network.rates) == 1:
        return []
    until = dict.fromkeys(network.rates, 0)
    for index, rung in enumerate(rungs(network.choice_epochs, network.reduction)):
        kept = math.ceil(len(network.rates) / (network.reduction or 1) ** index)
        until |= dict.fromkeys(network.rates[:kept], rung)
    return [
        rate_request(network, rate, seed, manifest, device, epochs)
        for rate, epochs in until.items()
        for seed in network.choice_seeds
    ]


def seed_requests(
    network: PlannedNetwork, rate: float, plan: RunPlan, manifest: Manifest, device: DeviceKind
) -> list[Request]:
    """One run a seed at the chosen rate, to be tested and probed as the plan says."""
    recipe = network.recipe_at(rate)
    requests = [_request(network, recipe, seed, manifest, device, "seed") for seed in plan.seeds]
    return [replace(request, test=plan.test, probes=plan.probes) for request in requests]


def rate_request(
    network: PlannedNetwork, rate: float, seed: int, manifest: Manifest, device: DeviceKind, until: int
) -> Request:
    """A run by which a rate is judged, up to so many epochs."""
    recipe = network.choice_recipe_at(rate)
    request = _request(network, recipe, seed, manifest, device, "learning-rate")
    return replace(request, until=until) if until < recipe.epochs else request


def _request(
    network: PlannedNetwork, recipe: Recipe, seed: int, manifest: Manifest, device: DeviceKind, role: Role
) -> Request:
    return Request(
        spec=network.spec(recipe, seed, manifest, device),
        name=network.name,
        member=Membership(GROUP_EXPERIMENT, network.name, role),
    )
