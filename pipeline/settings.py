"""Reads params.yaml strictly: the data, the recipes, and what each profile trains."""

import re
import sys
from dataclasses import field
from pathlib import Path
from typing import Any

import yaml
from pydantic.dataclasses import dataclass

from pipeline.cost.limits import NO_LIMITS, Limits
from pipeline.data.sources import NAMED
from pipeline.errors import UsageError, unknown_name
from pipeline.files import write_text
from pipeline.process import run_and_exit
from pipeline.schema import STRICT, parse
from pipeline.training.protocol import TrainingProtocol, check_rates
from pipeline.training.recipe import Recipe
from pipeline.workspace import current_workspace


@dataclass(frozen=True, config=STRICT)
class DataSettings:
    """The data set of the study, prepared from `source` under `name`; see `convstudy prepare`.

    A named source keeps its own name, so that it never replaces images of your own.
    """

    source: str = "fashion-mnist"
    name: str = "fashion-mnist"
    seed: int = 0
    image_size: int | None = None
    skip_bad: bool = False
    group_by: str | None = None

    def __post_init__(self) -> None:
        if self.source in NAMED and self.name != self.source:
            raise ValueError(
                f"name (={self.name}) must be that of the source, {self.source}; for your own images, set source to "
                "their folder or CSV"
            )


@dataclass(frozen=True, config=STRICT)
class NetworkEntry:
    """One network of a profile: a reference, or any Config, with its own changes.

    Attributes:
        config: {"family": …, "config": {…}} for a network that is not a reference.
        recipe: fields that differ from the profile's recipe.
        rates: the learning-rate grid, if it differs from the profile's.
    """

    config: dict[str, Any] | None = None
    recipe: dict[str, Any] = field(default_factory=dict)
    rates: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_rates(self.rates or ())


@dataclass(frozen=True, config=STRICT)
class FinalistsSettings:
    """How much a comparison of finalists trains.

    Attributes:
        seeds: trainings of each network.
        members: maximum number of networks taken from the front, spread over it.
        random_networks: random networks of equal cost per member, trained once each; an interval needs 7.
        random_search: whether to compare with a random search of equal compute.
    """

    seeds: int = 5
    members: int = 8
    random_networks: int = 8
    random_search: bool = True

    def __post_init__(self) -> None:
        if self.seeds < 2 or self.members < 1 or self.random_networks < 0:
            raise ValueError(
                f"finalists (seeds={self.seeds}, members={self.members}, random_networks={self.random_networks}) "
                "need at least 2 seeds and 1 member"
            )


@dataclass(frozen=True, config=STRICT)
class SearchEntry:
    """One search of a profile.

    Attributes:
        trials: the budget.
        space: design spaces; empty: the family that names the entry.
        objectives: the error and any of macs, params, activations, latency.
        halving: whether only the better networks train to the end.
        recipe: fields that differ from the profile's recipe.
    """

    trials: int
    space: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ("error", "macs")
    limits: Limits = NO_LIMITS
    sampler: str = "auto"
    halving: bool = True
    seed: int = 0
    recipe: dict[str, Any] = field(default_factory=dict)
    finalists: FinalistsSettings = field(default_factory=FinalistsSettings)

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"trials (={self.trials}) must be at least 1")


@dataclass(frozen=True, config=STRICT)
class Profile:
    """What one size of the study trains, and how.

    Attributes:
        networks: family -> network name -> entry.
        searches: family -> search.
        recipe, changes, rates, choice_seeds, choice, reduction, seeds: see `TrainingProtocol`.
        latency_seconds: time spent on each latency; 0: do not measure it.
        keep_weights: whether final weights stay in the run store after the test.
        checkpoint_seconds: shortest time between checkpoints.
    """

    networks: dict[str, dict[str, NetworkEntry]]
    searches: dict[str, SearchEntry] = field(default_factory=dict)
    recipe: str = "common"
    changes: dict[str, Any] = field(default_factory=dict)
    rates: tuple[float, ...] = (0.02, 0.06, 0.2)
    choice_seeds: int = 1
    choice: dict[str, Any] = field(default_factory=dict)
    reduction: int | None = None
    seeds: int = 3
    latency_seconds: float = 0.2
    keep_weights: bool = True
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        _ = self.protocol  # checks its rules

    @property
    def protocol(self) -> TrainingProtocol:
        """How the profile trains its networks."""
        given = self.recipe, self.changes, self.rates, self.choice, self.choice_seeds, self.seeds
        return TrainingProtocol(*given, reduction=self.reduction)


@dataclass(frozen=True, config=STRICT)
class Settings:
    """All of params.yaml.

    A recipe maps fields of `Recipe` to values. Its key `networks` may hold further fields for single networks by name,
    such as a learning rate and resolution of their own.
    """

    profile: str
    data: DataSettings
    recipes: dict[str, dict[str, Any]]
    profiles: dict[str, Profile]

    def profile_named(self, name: str | None = None) -> Profile:
        """The profile of that name (default: the current one); raises UsageError naming the nearest one."""
        wanted = name or self.profile
        if wanted not in self.profiles:
            raise unknown_name("profile", wanted, self.profiles)
        return self.profiles[wanted]

    def recipe_named(self, name: str, network: str | None = None, *changes: dict[str, Any]) -> Recipe:
        """A recipe for a network, with some fields changed.

        Raises UsageError naming the nearest recipe, or a wrong field.
        """
        if name not in self.recipes:
            raise unknown_name("recipe", name, self.recipes)
        fields = dict(self.recipes[name])
        for change in (_by_network(name, fields.pop("networks", {})).get(network or "", {}), *changes):
            fields.update(change)
        return parse(Recipe, fields, f"recipe {name}")

    def search_recipe(self, profile_name: str | None, changes: dict[str, Any]) -> Recipe:
        """The recipe of a search: that of a profile's protocol, with some fields changed and its own learning rate."""
        protocol = self.profile_named(profile_name).protocol.changed(changes)
        return self.recipe_named(protocol.recipe, None, protocol.changes)


def read_settings(path: Path) -> Settings:
    """Read a params.yaml; raises UsageError for a missing file, bad YAML, and unknown or impossible values."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    settings = parse(Settings, value, path.name)
    for name, fields in settings.recipes.items():
        for network in (None, *_by_network(name, fields.get("networks", {}))):
            settings.recipe_named(name, network)
    return settings


def _by_network(recipe: str, networks: Any) -> dict[str, dict[str, Any]]:
    """A recipe's fields for single networks; raises UsageError unless it is a mapping of mappings."""
    if not isinstance(networks, dict) or not all(isinstance(fields, dict) for fields in networks.values()):
        raise UsageError(f"recipe {recipe}: networks must map names of networks to fields of a recipe")
    return networks


def choose_profile(path: Path, name: str | None) -> None:
    """Set the current profile in a params.yaml, keeping its comments. Without a name, only check the file.

    Raises UsageError for an unknown profile, and as `read_settings` does.
    """
    settings = read_settings(path)
    if name is None:
        return
    settings.profile_named(name)
    text = path.read_text()
    chosen = re.sub(r"^profile:.*$", f"profile: {name}", text, count=1, flags=re.MULTILINE)
    if chosen != text:
        write_text(path, chosen)


if __name__ == "__main__":
    run_and_exit(lambda: choose_profile(current_workspace().params_file, sys.argv[1] if sys.argv[1:] else None))
