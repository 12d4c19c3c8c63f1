"""Plans: what is to be trained and priced, resolved from params.yaml into one small JSON per group of networks.

A DVC stage depends on its own plan file only, so that changing one network's entry re-runs that network's group and
what depends on it, and nothing else.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic.dataclasses import dataclass

import search_spaces
from pipeline.data.manifest import DataShape
from pipeline.errors import UsageError
from pipeline.evidence.records import RunSpec
from pipeline.machine import DeviceKind, resolve_precision
from pipeline.schema import STRICT, parse, to_json
from pipeline.settings import Entry, Profile, Settings, changed
from pipeline.training.gradients import smallest_micro_batch
from pipeline.training.recipe import Recipe
from search_spaces import Design, Family, Price, Reference

FURTHER_CHOICE_SEEDS = 10_001
"""Rates are chosen with seed 0 and, where more are wanted, with those from here on; reported seeds start at 1."""


@dataclass(frozen=True, config=STRICT)
class PlannedNetwork:
    """One network to train. `recipe` has the first rate of the grid until a rate is chosen; precision may be "auto".

    `choice_seeds` are those of the trainings by which each rate of the grid is judged; none of them is reported.
    """

    name: str
    family: str
    config: dict[str, Any]
    resolution: int
    recipe: Recipe
    choice_recipe: Recipe
    rates: tuple[float, ...]
    reduction: int | None
    choice_seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True, config=STRICT)
class RunPlan:
    """What the stage `reproduce` trains for one group; channels and classes are those of the data.

    `test`: whether the trained seeds are scored on test images; `probes`: what else is measured of them.
    """

    schema: Literal["run-plan/1"]
    group: str
    profile: str
    data: str
    channels: int
    classes: int
    networks: tuple[PlannedNetwork, ...]
    seeds: tuple[int, ...]
    keep_weights: bool
    checkpoint_seconds: float
    test: bool = True
    probes: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT)
class PricedNetwork:
    """One network to profile."""

    name: str
    family: str
    config: dict[str, Any]
    resolution: int


@dataclass(frozen=True, config=STRICT)
class ProfilePlan:
    """What the stage `profile` measures for one group."""

    schema: Literal["profile-plan/1"]
    group: str
    channels: int
    classes: int
    networks: tuple[PricedNetwork, ...]
    latency_seconds: float


def plan_runs(settings: Settings, profile_name: str, data: DataShape) -> dict[str, RunPlan]:
    """One plan per family, empty where the profile trains none of it; raises UsageError for any impossible entry."""
    profile = settings.profile_named(profile_name)
    for family in profile.networks:
        search_spaces.family(family)
    for recipe in settings.recipes.values():
        for network in recipe.get("networks", {}):
            search_spaces.reference(network)
    return {
        family: plan_group(family, profile.networks.get(family, {}), settings, profile_name, data, family)
        for family in search_spaces.names()
    }


def plan_group(
    group: str,
    entries: Mapping[str, Entry],
    settings: Settings,
    profile_name: str,
    data: DataShape,
    family: str | None = None,
) -> RunPlan:
    """The plan of some networks under a profile; `family`, if given, is the one that all must belong to."""
    profile = settings.profile_named(profile_name)
    return RunPlan(
        schema="run-plan/1",
        group=group,
        profile=profile_name,
        data=data.name,
        channels=data.image_shape[0],
        classes=len(data.class_names),
        networks=tuple(plan_network(name, entry, family, profile, settings, data) for name, entry in entries.items()),
        seeds=tuple(range(1, profile.seeds + 1)),
        keep_weights=profile.keep_weights,
        checkpoint_seconds=profile.checkpoint_seconds,
    )


def plan_profile(plan: RunPlan, latency_seconds: float) -> ProfilePlan:
    """The profiling that goes with a run plan: unchanged when only recipes, rates or seeds change."""
    return ProfilePlan(
        schema="profile-plan/1",
        group=plan.group,
        channels=plan.channels,
        classes=plan.classes,
        networks=tuple(PricedNetwork(n.name, n.family, n.config, n.resolution) for n in plan.networks),
        latency_seconds=latency_seconds,
    )


def plan_network(
    name: str, entry: Entry, expected_family: str | None, profile: Profile, settings: Settings, data: DataShape
) -> PlannedNetwork:
    """Resolve one entry: its Config, its recipe, the rates to try; raises UsageError for anything impossible."""
    family, config, reference = resolve_network(name, entry.config)
    if expected_family is not None and family.name != expected_family:
        raise UsageError(f"network {name!r} belongs to the family {family.name}, not {expected_family}")
    recipe = settings.recipe_named(profile.recipe, name if reference else None, profile.changes, entry.recipe)
    rates = entry.rates if entry.rates is not None else profile.rates or (recipe.learning_rate,)
    recipe = replace(recipe, learning_rate=rates[0])
    resolution = recipe.resolution or native_resolution(reference, data.image_shape[-1])
    search_spaces.price(family, config, resolution, data.image_shape[0], len(data.class_names))
    choice_recipe = changed(recipe, profile.choice, f"choice of {name}")
    for planned in (recipe, choice_recipe):
        check_batch(planned, data, name)
        check_norms(planned, Design(family, config), resolution, data, name)
    return PlannedNetwork(
        name=name,
        family=family.name,
        config=to_json(config),
        resolution=resolution,
        recipe=recipe,
        choice_recipe=choice_recipe,
        rates=rates,
        reduction=profile.reduction,
        choice_seeds=(0, *range(FURTHER_CHOICE_SEEDS, FURTHER_CHOICE_SEEDS + profile.choice_seeds - 1)),
    )


def check_batch(recipe: Recipe, data: DataShape, name: str) -> None:
    """Raise UsageError where a training would have fewer images than one batch."""
    count = data.counts["train"]
    images = min(recipe.train_images or count, count)
    if images < recipe.batch_size:
        raise UsageError(f"{name}: batch_size (={recipe.batch_size}) must be at most the training images (={images})")


def check_norms(recipe: Recipe, design: Design, resolution: int, data: DataShape, name: str) -> None:
    """Raise UsageError where batch norm would have one image to normalise by."""
    if recipe.batch_size > 1:
        return
    channels, classes = data.image_shape[0], len(data.class_names)
    network = search_spaces.instantiate(design.family, design.config, resolution, channels, classes, "meta")
    if recipe.batch_size < smallest_micro_batch(network):
        raise UsageError(f"{name}: batch_size (={recipe.batch_size}) must be at least 2 for a network with batch norm")


def resolve_network(name: str, given: dict[str, Any] | None = None) -> tuple[Family, Any, Reference | None]:
    """A reference's family and Config, or those of a {"family": …, "config": {…}}."""
    if given is None:
        family, reference = search_spaces.reference(name)
        return family, reference.config, reference
    if set(given) != {"family", "config"} or not isinstance(given["family"], str):
        raise UsageError(f'config of {name!r} must be {{"family": "…", "config": {{…}}}}, not {given!r:.200}')
    family = search_spaces.family(given["family"])
    return family, parse(family.config, given["config"], f"config of {name}"), None


def as_reference(network: str | dict[str, Any], name: str) -> tuple[str, dict[str, Any] | None]:
    """A network as claims.yaml names one, for `resolve_network`; one that is no reference goes by `name`."""
    return (network, None) if isinstance(network, str) else (name, network)


def price_of(family: str, config: dict[str, Any], resolution: int, channels: int, classes: int) -> Price:
    """Exact counts of a network whose Config is JSON, as plans and runs hold it."""
    member = search_spaces.family(family)
    parsed = parse(member.config, config, f"config of {family}")
    return search_spaces.price(member, parsed, resolution, channels, classes)


def native_resolution(reference: Reference | None, image_side: int) -> int:
    """Pixels at which a network is used: the images' own side, or the reference's where that is larger."""
    return image_side if reference is None else max(image_side, reference.resolution)


def run_spec(
    family: str,
    config: dict[str, Any],
    resolution: int,
    recipe: Recipe,
    seed: int,
    data: DataShape,
    device: DeviceKind,
) -> RunSpec:
    """The address of one run on a data set: resolution and precision resolved."""
    precision = resolve_precision(recipe.precision, device)
    return RunSpec(
        family=family,
        config=config,
        channels=data.image_shape[0],
        classes=len(data.class_names),
        resolution=resolution,
        recipe=replace(recipe, resolution=resolution, precision=precision),
        data=data.fingerprint,
        seed=seed,
        device=device,
    )
