"""Where the evidence of experiments lies: the workspace's own records, else the published ones."""

from dataclasses import replace
from pathlib import Path

from pipeline.claims.catalogue import Catalogue, read_catalogue
from pipeline.errors import UsageError, unknown_name
from pipeline.evidence.records import GroupRecord
from pipeline.schema import read_record
from pipeline.search.plans import RunPlan
from pipeline.workspace import Workspace

EXPERIMENTS = "experiments"
"""The folder of records below reports/results and below reports/published/claims."""


def catalogue_of(place: Workspace) -> Catalogue:
    """The claims of a workspace; raises UsageError with every fault in them."""
    return read_catalogue(place.root / "reports" / "claims.yaml")


def record_file(place: Workspace, experiment: str) -> Path:
    """Where the workspace keeps an experiment's record."""
    return place.results / EXPERIMENTS / f"{experiment}.json"


def records_of(place: Workspace, catalogue: Catalogue) -> tuple[dict[str, GroupRecord], list[str]]:
    """Records by experiment, and which of them are published ones, made elsewhere."""
    records, published = {}, []
    for name in catalogue.experiments:
        own, other = record_file(place, name), place.published / "claims" / EXPERIMENTS / f"{name}.json"
        if own.exists() or other.exists():
            records[name] = read_record(GroupRecord, own if own.exists() else other)
        if other.exists() and not own.exists():
            published.append(name)
    return records, published


def experiment_named(catalogue: Catalogue, name: str) -> str:
    """The name, if there is such an experiment; raises UsageError naming the nearest one."""
    if name not in catalogue.experiments:
        raise unknown_name("experiment", name, catalogue.experiments)
    return name


def check_record(plan: RunPlan, record: GroupRecord) -> None:
    """Raise UsageError where a record is not of this plan: of other data, other arms, seeds or another recipe.

    The learning rate may differ, since it is chosen; there may be more arms and seeds.
    """
    if record.data.name != plan.data:
        raise UsageError(f"the record of {plan.group} is of the data {record.data.name}, not {plan.data}")
    recorded = {network.name: network for network in record.networks}
    for planned in plan.networks:
        network = recorded.get(planned.name)
        if network is None:
            raise UsageError(f"the record of {plan.group} lacks {planned.name}: run the experiment again")
        rate = network.recipe.learning_rate
        for what, found, wanted in (
            ("Config", (network.family, network.config), (planned.family, planned.config)),
            ("resolution", network.resolution, planned.resolution),
            ("recipe", network.recipe, replace(planned.recipe, learning_rate=rate)),
        ):
            if found != wanted:
                raise UsageError(f"{planned.name} was recorded with another {what}: {found}, not {wanted}")
        if rate not in planned.rates:
            raise UsageError(f"{planned.name} was recorded with the learning rate {rate:g}, which is not of its grid")
        missing = set(plan.seeds) - {run.seed for run in network.runs}
        if network.runs and missing:
            raise UsageError(f"the record of {planned.name} lacks seed {min(missing)}: run the experiment again")
