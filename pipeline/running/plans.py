"""Plans: what to train and profile, resolved from params.yaml into one small JSON per group of networks.

A DVC stage depends only on its own plan file. Changing one network's entry therefore reruns only that network's group
and what depends on it.
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
from pipeline.settings import NetworkEntry, Settings
from pipeline.training.gradients import smallest_micro_batch
from pipeline.training.protocol import TrainingProtocol
from pipeline.training.recipe import Recipe
from search_spaces import Design, Family, Price, Reference


@dataclass(frozen=True, config=STRICT)
class PlannedNetwork:
    """One network to train, at a learning rate selected from `rates`. A single rate is used without selection.

    Attributes:
        recipe: the fields of its Recipe except the learning rate; precision may be "auto".
        choice: fields that differ in the trainings that select the rate.
        reduction: reduction factor of successive halving in those trainings; None: all train in full.
        choice_seeds: seeds of those trainings. None of them is reported.
    """

    name: str
    family: str
    config: dict[str, Any]
    resolution: int
    recipe: dict[str, Any]
    choice: dict[str, Any]
    rates: tuple[float, ...]
    reduction: int | None
    choice_seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if "learning_rate" in self.recipe | self.choice:
            raise ValueError("recipe and choice must not name a learning_rate: it is one of rates")
        for rate in self.rates:
            self.recipe_at(rate)
            self.choice_recipe_at(rate)

    def recipe_at(self, rate: float) -> Recipe:
        """The recipe of the reported trainings at this rate."""
        return parse(Recipe, {**self.recipe, "learning_rate": rate}, f"recipe of {self.name}")

    def choice_recipe_at(self, rate: float) -> Recipe:
        """The recipe of the trainings that evaluate this rate for the selection."""
        return parse(Recipe, {**self.recipe, **self.choice, "learning_rate": rate}, f"choice of {self.name}")

    @property
    def choice_epochs(self) -> int:
        """Epochs of the trainings that select the rate."""
        return self.choice_recipe_at(self.rates[0]).epochs

    def spec(self, recipe: Recipe, seed: int, data: DataShape, device: DeviceKind) -> RunSpec:
        """The address of one training of the network."""
        return run_spec(self.family, self.config, self.resolution, recipe, seed, data, device)


@dataclass(frozen=True, config=STRICT)
class RunPlan:
    """What the stage `reproduce` trains for one group.

    Attributes:
        channels, classes: those of the data.
        test: whether the trained seeds are evaluated on test images.
        probes: further measurements of the trained seeds, by name.
        first: whether an experiment runs before others, because a primary claim needs it.
    """

    schema: Literal["run-plan/2"]
    group: str
    profile: str
    data: str
    channels: int
    classes: int
    networks: tuple[PlannedNetwork, ...]
    seeds: tuple[int, ...]
    keep_weights: bool
    checkpoint_seconds: float = 30.0
    test: bool = True
    probes: tuple[str, ...] = ()
    first: bool = False


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
    """One plan per family that has networks in the profile; raises UsageError for any impossible entry."""
    profile = settings.profile_named(profile_name)
    for family in profile.networks:
        search_spaces.family(family)
    for recipe in settings.recipes.values():
        for network in recipe.get("networks", {}):
            search_spaces.reference(network)
    plans = {
        family: plan_group(family, entries, settings, profile_name, data)
        for family, entries in sorted(profile.networks.items())
        if entries
    }
    for family, plan in plans.items():
        if stranger := next((network for network in plan.networks if network.family != family), None):
            raise UsageError(f"network {stranger.name!r} belongs to the family {stranger.family}, not {family}")
    return plans


def plan_group(
    group: str, entries: Mapping[str, NetworkEntry], settings: Settings, profile_name: str, data: DataShape
) -> RunPlan:
    """One plan for some networks of a profile; raises UsageError for any impossible entry."""
    profile = settings.profile_named(profile_name)
    protocol = profile.protocol
    return RunPlan(
        schema="run-plan/2",
        group=group,
        profile=profile_name,
        data=data.name,
        channels=data.image_shape[0],
        classes=len(data.class_names),
        networks=tuple(
            plan_network(name, entry.config, protocol.changed(entry.recipe, entry.rates), settings, data)
            for name, entry in entries.items()
        ),
        seeds=protocol.reported_seeds,
        keep_weights=profile.keep_weights,
        checkpoint_seconds=profile.checkpoint_seconds,
    )


def plan_profile(plan: RunPlan, latency_seconds: float) -> ProfilePlan:
    """The profile plan for the same networks. It stays the same when only recipes, rates or seeds change."""
    return ProfilePlan(
        schema="profile-plan/1",
        group=plan.group,
        channels=plan.channels,
        classes=plan.classes,
        networks=tuple(PricedNetwork(n.name, n.family, n.config, n.resolution) for n in plan.networks),
        latency_seconds=latency_seconds,
    )


def plan_network(
    name: str, given: dict[str, Any] | None, protocol: TrainingProtocol, settings: Settings, data: DataShape
) -> PlannedNetwork:
    """Plan one network with the changes of its protocol. See `plan_training` for other arguments and errors."""
    design, resolution, recipe = plan_training(name, given, settings, protocol.recipe, protocol.changes, data)
    fields = to_json(recipe)
    own_rate = fields.pop("learning_rate")
    network = PlannedNetwork(
        name=name,
        family=design.family.name,
        config=to_json(design.config),
        resolution=resolution,
        recipe=fields,
        choice=protocol.choice,
        rates=protocol.rates or (own_rate,),
        reduction=protocol.reduction,
        choice_seeds=protocol.choosing_seeds,
    )
    _check_batches(network.choice_recipe_at(network.rates[0]), design, resolution, data, name)
    return network


def plan_training(
    name: str, given: dict[str, Any] | None, settings: Settings, recipe: str, changes: dict[str, Any], data: DataShape
) -> tuple[Design, int, Recipe]:
    """Resolve a network, its resolution in pixels, and its recipe with the recipe's own learning rate.

    Args:
        name: a reference, or the name to give to `given`.
        given: another network, as {"family": …, "config": {…}}.
        settings: holds the recipes.
        recipe: name of the recipe.
        changes: fields that differ from that recipe.
        data: the images to train on.

    Raises:
        UsageError: the network, recipe and data do not fit together.
    """
    family, config, reference = resolve_network(name, given)
    changed = settings.recipe_named(recipe, name if reference else None, changes)
    resolution = changed.resolution or native_resolution(reference, data.image_shape[-1])
    search_spaces.price(family, config, resolution, data.image_shape[0], len(data.class_names))
    _check_batches(changed, Design(family, config), resolution, data, name)
    return Design(family, config), resolution, changed


def check_batch(recipe: Recipe, data: DataShape, name: str) -> None:
    """Raise UsageError if the training images are fewer than one batch."""
    count = data.counts["train"]
    images = min(recipe.train_images or count, count)
    if images < recipe.batch_size:
        raise UsageError(f"{name}: batch_size (={recipe.batch_size}) must be at most the training images (={images})")


def _check_batches(recipe: Recipe, design: Design, resolution: int, data: DataShape, name: str) -> None:
    """Raise UsageError as `check_batch` does, and if batch norm would see batches of one image."""
    check_batch(recipe, data, name)
    if recipe.batch_size > 1:
        return
    channels, classes = data.image_shape[0], len(data.class_names)
    network = search_spaces.instantiate(design.family, design.config, resolution, channels, classes, "meta")
    if recipe.batch_size < smallest_micro_batch(network):
        raise UsageError(f"{name}: batch_size (={recipe.batch_size}) must be at least 2 for a network with batch norm")


def resolve_network(name: str, given: dict[str, Any] | None = None) -> tuple[Family, Any, Reference | None]:
    """Family, Config and reference of a name; or family and Config of a `given` {"family": …, "config": {…}}."""
    if given is None:
        family, reference = search_spaces.reference(name)
        return family, reference.config, reference
    if set(given) != {"family", "config"} or not isinstance(given["family"], str):
        raise UsageError(f'config of {name!r} must be {{"family": "…", "config": {{…}}}}, not {given!r:.200}')
    family = search_spaces.family(given["family"])
    return family, parse(family.config, given["config"], f"config of {name}"), None


def as_reference(network: str | dict[str, Any], name: str) -> tuple[str, dict[str, Any] | None]:
    """The arguments of `resolve_network` for a network in claims.yaml; a Config gets the name `name`."""
    return (network, None) if isinstance(network, str) else (name, network)


def price_of(family: str, config: dict[str, Any], resolution: int, channels: int, classes: int) -> Price:
    """Exact counts of a network whose Config is JSON, as in plans and runs."""
    member = search_spaces.family(family)
    parsed = parse(member.config, config, f"config of {family}")
    return search_spaces.price(member, parsed, resolution, channels, classes)


def native_resolution(reference: Reference | None, image_side: int) -> int:
    """Side in pixels of a network's input: that of the images, or of the reference if that is larger."""
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
    """The address of one run on a data set, with resolution and precision resolved."""
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
