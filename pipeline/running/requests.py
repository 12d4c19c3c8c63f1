"""Requests for runs, and the requests of a plan: runs that select each learning rate, and reported runs."""

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
    """A requested run.

    Attributes:
        spec: its address in the run store.
        name: name of the network in messages.
        member: the study, experiment or verb that requests it.
        test: whether to evaluate it on the test split.
        until: epoch at which to stop; None: the last.
        probes: further measurements of the trained network, by name.
        weights: whether to train it again if its weights were removed.
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
    """All requests of a plan, for an estimate. Where no rate is selected yet, seeds use the first one.

    Leaves out `published` runs, except those that this machine `holds`. `chosen` maps networks to selected rates.
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
    """The trainings that select a rate, if smaller rates are better; none if there is only one rate."""
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
    """One run per seed at the selected rate, tested and probed as the plan says."""
    recipe = network.recipe_at(rate)
    requests = [_request(network, recipe, seed, manifest, device, "seed") for seed in plan.seeds]
    return [replace(request, test=plan.test, probes=plan.probes) for request in requests]


def rate_request(
    network: PlannedNetwork, rate: float, seed: int, manifest: Manifest, device: DeviceKind, until: int
) -> Request:
    """A run that evaluates a rate for the selection, until the epoch `until`."""
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
