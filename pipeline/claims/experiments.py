"""Experiments of reports/claims.yaml: arms or populations trained under one protocol, with tuned learning rates.

An experiment becomes a RunPlan whose networks are its arms. Each arm's rate is selected from a grid on validation data,
then every arm is trained with the same seeds. Planning checks, from the Configs, that the arms are equal in the costs
that the experiment declares equal.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal

import numpy as np
from pydantic.dataclasses import dataclass

import search_spaces
from pipeline.data.manifest import DataShape
from pipeline.errors import UsageError
from pipeline.running.plans import PlannedNetwork, RunPlan, as_reference, plan_network, price_of
from pipeline.schema import STRICT, to_json
from pipeline.settings import Settings
from pipeline.training.probes import PROBES
from pipeline.training.protocol import TrainingProtocol, check_rates
from search_spaces import Price

Held = Literal["params", "macs", "activations"]
MOST_DRAWS = 100_000


@dataclass(frozen=True, config=STRICT)
class Size:
    """The size of an experiment under one profile.

    Attributes:
        seeds: trainings per arm, numbered from `first_seed`. A pilot uses other seeds than the study.
        core_hours: budget on an idle machine, in hours of one core.
        recipe: changes to the recipe, such as fewer images.
        arms: arms to train; empty for all.
        networks: networks per population; None for the population's own number.
    """

    seeds: int
    core_hours: float
    recipe: dict[str, Any] = field(default_factory=dict)
    arms: tuple[str, ...] = ()
    networks: int | None = None
    first_seed: int = 1


@dataclass(frozen=True, config=STRICT)
class Arm:
    """One side of a comparison: a reference name or {"family": …, "config": {…}}, with its recipe changes and rates."""

    network: str | dict[str, Any]
    recipe: dict[str, Any] = field(default_factory=dict)
    rates: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_rates(self.rates or ())


@dataclass(frozen=True, config=STRICT)
class Equality:
    """Requires that each arm's cost is within the share `within` of the arms' mean. No `arms` means all arms."""

    cost: Held
    within: float
    arms: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT)
class Population:
    """Distinct networks drawn uniformly, parameter by parameter, from a design space, within a range of MACs."""

    space: str
    networks: int
    macs: tuple[int, int]
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.macs[0] < self.macs[1]:
            raise ValueError(f"macs (={self.macs}) must be a range")
        if self.networks < 2:
            raise ValueError(f"networks (={self.networks}) must be at least 2")


@dataclass(frozen=True, config=STRICT)
class Experiment:
    """A controlled comparison of arms or of populations of networks.

    Attributes:
        question: question that it answers.
        sizes: profile -> size. A profile that is missing skips the experiment.
        arms: name -> arm. Claims and charts use these names.
        populations: name -> population. Its networks become the arms "name 1", "name 2", …
        rates: learning-rate grid of each arm. A single rate is used without selection.
        choice, choice_seeds: how rates are selected, as in `TrainingProtocol`.
        recipe: changes to the recipe "common" for all arms.
        equal: costs in which the arms must be equal.
        groups: name -> arms that are combined into one number, such as the rates of one network.
        test: whether trained arms are evaluated on test images.
        probes: further measurements of trained arms.
    """

    question: str
    sizes: dict[str, Size]
    arms: dict[str, Arm] = field(default_factory=dict)
    populations: dict[str, Population] = field(default_factory=dict)
    rates: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    choice: dict[str, Any] = field(default_factory=dict)
    choice_seeds: int = 1
    recipe: dict[str, Any] = field(default_factory=dict)
    equal: tuple[Equality, ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    test: bool = False
    probes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = set(self.arms) | set(self.populations)
        if not known:
            raise ValueError("an experiment needs arms or populations")
        if set(self.probes) - set(PROBES):
            raise ValueError(f"probes (={self.probes}) must be among {', '.join(PROBES)}")
        for name, members in self.groups.items():
            if name in known or not members or set(members) - set(self.arms):
                raise ValueError(f"group {name!r} (={members}) must name arms and must not have an arm's name")
        for held in self.equal:
            if set(held.arms) - set(self.arms):
                raise ValueError(f"arms (={held.arms}) of equal {held.cost} must be arms of the experiment")
        for profile, size in self.sizes.items():
            _ = self.protocol(size)  # whose rules are checked here
            if set(size.arms) - set(self.arms):
                raise ValueError(f"arms (={size.arms}) of the profile {profile} must be arms of the experiment")
            if self.arms and size.seeds < 2:
                raise ValueError(f"seeds (={size.seeds}) of the profile {profile} must be at least 2 to compare arms")

    def protocol(self, size: Size) -> TrainingProtocol:
        """The training protocol of all arms at one size."""
        changes, seeds = self.recipe | size.recipe, (size.seeds, size.first_seed)
        return TrainingProtocol("common", changes, self.rates, self.choice, self.choice_seeds, *seeds)


def is_stated_for(data: DataShape) -> bool:
    """Whether the experiments apply to these images. Their arms have equal costs only for Fashion-MNIST's shape."""
    return data.image_shape == (1, 28, 28) and len(data.class_names) == 10


def plan_experiment(
    name: str, experiment: Experiment, profile: str, settings: Settings, data: DataShape, seeds: int | None = None
) -> RunPlan:
    """The plan of an experiment under a profile; `seeds` overrides the profile's. Networks are named "experiment.arm".

    Raises UsageError if the experiment has no size for the profile, if an arm cannot be built, or if arms differ in a
    cost that must be equal; the message has the figures.
    """
    if profile not in experiment.sizes:
        raise UsageError(f"experiment {name} has no size for the profile {profile}: {', '.join(experiment.sizes)}")
    size = experiment.sizes[profile]
    try:
        protocol = experiment.protocol(replace(size, seeds=seeds) if seeds else size)
    except ValueError as error:
        raise UsageError(f"experiment {name}: {error}") from error
    arms = {arm: experiment.arms[arm] for arm in size.arms or experiment.arms}
    for title, population in experiment.populations.items():
        arms |= _drawn(title, population, size.networks, data)
    networks = tuple(
        replace(_plan_arm(arm, wanted, protocol, settings, data), name=f"{name}.{arm}") for arm, wanted in arms.items()
    )
    channels, classes = data.image_shape[0], len(data.class_names)
    prices = {
        arm: price_of(network.family, network.config, network.resolution, channels, classes)
        for arm, network in zip(arms, networks, strict=True)
    }
    check_equal(name, experiment.equal, prices)
    return RunPlan(
        schema="run-plan/2",
        group=name,
        profile=profile,
        data=data.name,
        channels=channels,
        classes=classes,
        networks=networks,
        seeds=protocol.reported_seeds,
        keep_weights=False,
        test=experiment.test,
        probes=experiment.probes,
    )


def _drawn(title: str, population: Population, networks: int | None, data: DataShape) -> dict[str, Arm]:
    """A population's networks as arms. A smaller number is a prefix of a larger one. Raises UsageError for too few."""
    wanted = networks or population.networks
    found = _draw(population, wanted, data.image_shape[0], data.image_shape[-1], len(data.class_names))
    if len(found) < wanted:
        low, high = population.macs
        raise UsageError(
            f"population {title}: found {len(found)} of {wanted} networks of {population.space} "
            f"within {low:,} to {high:,} MACs"
        )
    return {f"{title} {number}": arm for number, arm in enumerate(found, start=1)}


@functools.cache
def _draw(population: Population, wanted: int, channels: int, resolution: int, classes: int) -> tuple[Arm, ...]:
    """The wanted number of networks, or as many as are found. Cached: each record of a population plans the same."""
    space, generator = search_spaces.space([population.space]), np.random.default_rng(population.seed)
    low, high = population.macs
    found: dict[Any, Arm] = {}
    for _ in range(MOST_DRAWS):
        design = space.design(space.draw(generator))
        price = search_spaces.price(design.family, design.config, resolution, channels, classes)
        if low <= price.macs <= high and design.config not in found:
            found[design.config] = Arm({"family": design.family.name, "config": to_json(design.config)})
            if len(found) == wanted:
                break
    return tuple(found.values())


def check_equal(name: str, equal: Sequence[Equality], prices: Mapping[str, Price]) -> None:
    """Raise UsageError, with the figures, if trained arms differ by more than they may."""
    for held in equal:
        costs = {arm: getattr(price, held.cost) for arm, price in prices.items() if arm in (held.arms or prices)}
        mean = sum(costs.values()) / max(1, len(costs))
        if any(abs(cost - mean) > held.within * mean for cost in costs.values()):
            figures = ", ".join(f"{arm} {cost:,}" for arm, cost in costs.items())
            raise UsageError(
                f"experiment {name}: {held.cost} must be equal within {held.within:.0%} of their mean: {figures}"
            )


def _plan_arm(name: str, arm: Arm, protocol: TrainingProtocol, settings: Settings, data: DataShape) -> PlannedNetwork:
    return plan_network(*as_reference(arm.network, name), protocol.changed(arm.recipe, arm.rates), settings, data)
