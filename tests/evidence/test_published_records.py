"""Published evidence stays readable, and its runs keep their addresses: both by the code as it is now."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT

from benchmarks.records import Benchmark
from benchmarks.search_bench import SearchComparison
from pipeline.claims.catalogue import catalogue_of
from pipeline.claims.experiments import Experiment, plan_experiment
from pipeline.claims.simulation import Simulation
from pipeline.claims.timings.plans import TimingRecord
from pipeline.claims.verdicts import ClaimVerdict
from pipeline.cost.records import CostProfile
from pipeline.data.manifest import DataSummary
from pipeline.evidence.finalist_records import FinalistsRecord
from pipeline.evidence.population import FullTrainings, PopulationTable
from pipeline.evidence.records import GroupRecord, NetworkRecord, RunSpec
from pipeline.evidence.study_records import StudyRecord
from pipeline.files import read_json
from pipeline.machine import DeviceKind
from pipeline.running.plans import PlannedNetwork, plan_group, price_of, run_spec
from pipeline.schema import read_record
from pipeline.settings import Settings, read_settings
from pipeline.training.recipe import Recipe
from pipeline.workspace import Workspace

PUBLISHED = CHECKOUT / "reports" / "published"
FILES = sorted(PUBLISHED.rglob("*.json"))

BY_HAND = Recipe(
    epochs=9, batch_size=64, train_images=6000, validation_images=2000, train_loss_images=1000, resolution=28,
    learning_rate=0.1, precision="float32",
)  # fmt: skip
"""Of the study whose command stands in claims.yaml (searched-inception); its record is older than plans in records."""


KINDS: dict[str, Callable[[Path], Any]] = {
    "*/runs": lambda path: read_record(GroupRecord, path),
    "*/experiments": lambda path: read_record(GroupRecord, path),
    "*/unfinished": lambda path: read_record(GroupRecord, path),
    "*/profiles": lambda path: read_record(list[CostProfile], path),
    "*/timings": lambda path: read_record(TimingRecord, path),
    "*/finalists": lambda path: read_record(FinalistsRecord, path),
    "*/studies": lambda path: read_record(StudyRecord, path),
    "claims/claims.json": lambda path: read_record(list[ClaimVerdict], path),
    "claims/simulation.json": lambda path: read_record(Simulation, path),
    "benchmarks/search.json": lambda path: read_record(SearchComparison, path),
    "benchmarks": lambda path: read_record(Benchmark, path),
    "population/table.json": lambda path: read_record(PopulationTable, path),
    "population/full.json": lambda path: read_record(FullTrainings, path),
}
"""How the files of each folder of reports/published, or single ones, are read."""


def kind_of(path: Path) -> str:
    """The key of KINDS for a file: the first that names it, or its folder."""
    short = path.relative_to(PUBLISHED)
    return next(kind for kind in KINDS if short.match(kind) or short.parent.match(kind))


def records_of(kind: str) -> list[tuple[Path, Any]]:
    """The files of a kind with what they hold, but for those of families that were not searched."""
    return [(path, KINDS[kind](path)) for path in FILES if kind_of(path) == kind and read_json(path)]


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_published_can_be_read(kind: str) -> None:
    records = records_of(kind)
    assert records, f"nothing of the kind {kind} is published"
    assert all(record for _, record in records)


def groups() -> Iterator[tuple[Path, GroupRecord]]:
    for kind in ("*/runs", "*/experiments", "*/unfinished"):
        yield from records_of(kind)


def address(network: NetworkRecord, recipe: Recipe, seed: int, data: DataSummary, device: DeviceKind) -> str:
    return run_spec(network.family, network.config, network.resolution, recipe, seed, data, device).hash


def device_of(path: Path, network: NetworkRecord) -> DeviceKind:
    """Where a network's runs were made: said by its measurements, or by the file's name where it has none."""
    measured = [run.measurement.hardware for run in network.runs if run.measurement is not None]
    cards = {"gpu" in hardware for hardware in measured} or {".gpu" in path.suffixes}
    assert len(cards) == 1, f"{path}: {network.name} was trained on two kinds of devices"
    return "cuda" if cards == {True} else "cpu"


def planned(
    settings: Settings, experiments: dict[str, Experiment], record: GroupRecord, path: Path
) -> dict[str, PlannedNetwork]:
    """The networks of the plan by which a record was made; only the plan knows how rates were chosen."""
    if path.parent.name == "runs":
        entries = settings.profile_named(record.profile).networks[record.group]
        plan = plan_group(record.group, entries, settings, record.profile, record.data)
    else:
        plan = plan_experiment(record.group, experiments[record.group], record.profile, settings, record.data)
    return {network.name: network for network in plan.networks}


def addresses_of_groups() -> dict[str, str]:
    """Address as recorded -> as computed, of reported runs and of those that chose a rate."""
    settings, experiments = read_settings(CHECKOUT / "params.yaml"), catalogue_of(Workspace(CHECKOUT)).experiments
    found = {}
    for path, record in groups():
        plan = planned(settings, experiments, record, path) if record.networks else {}
        for network in record.networks:
            device = device_of(path, network)
            for run in network.runs:
                found[run.run] = address(network, network.recipe, run.seed, record.data, device)
            for trial in network.rates:
                choice = plan[network.name].choice_recipe_at(trial.learning_rate)
                recipe = replace(choice, precision=network.recipe.precision)
                assert recipe.epochs == trial.horizon
                found[trial.run] = address(network, recipe, trial.seed, record.data, device)
    return found


def addresses_of_searches(data: DataSummary) -> dict[str, str]:
    """The same of trials and finalists, which were trained on a CPU."""

    def computed(config: dict[str, Any], recipe: Recipe, seed: int) -> str:
        spec = RunSpec(config["family"], config["config"], data.image_shape[0], len(data.class_names), 28, recipe,
                       data.fingerprint, seed)  # fmt: skip
        return spec.hash

    found = {}
    for _, record in records_of("*/studies"):
        recipe = BY_HAND
        if record.plan is not None:
            plan = record.plan
            assert (plan.data_fingerprint, plan.resolution, plan.device) == (data.fingerprint, 28, "cpu")
            recipe = plan.recipe
        for trial in record.trials:
            found[trial.run] = computed(trial.config, recipe, record.seed)
    for _, record in records_of("*/finalists"):
        for member in record.members:
            for run, seed in zip(member.runs, record.seeds, strict=True):
                found[run] = computed(member.config, record.recipe, seed)
    return found


def test_every_published_address_is_that_of_its_content() -> None:
    """Whatever looks like an address in a file must be among those that are computed from the records."""
    data = next(record.data for _, record in groups())
    addresses = addresses_of_groups() | addresses_of_searches(data)
    assert {recorded: computed for recorded, computed in addresses.items() if recorded != computed} == {}
    written = {name for path in FILES for name in re.findall(r'"([0-9a-f]{20})"', path.read_text())}
    assert written - {data.fingerprint} == set(addresses)
    assert len(addresses) > 2000


def test_published_networks_are_priced_as_they_were() -> None:
    checked = 0
    for _, record in groups():
        for network in record.networks:
            channels, classes = record.data.image_shape[0], len(record.data.class_names)
            price = price_of(network.family, network.config, network.resolution, channels, classes)
            priced = (price.params, price.macs, price.activations)
            assert priced == (network.params, network.macs, network.activations), network.name
            checked += 1
    for _, profiles in records_of("*/profiles"):
        for profile in profiles:
            price = price_of(profile.family, profile.config, profile.resolution, profile.channels, profile.classes)
            assert (price.params, price.macs, price.activations) == (profile.params, profile.macs, profile.activations)
            checked += 1
    assert checked > 500
