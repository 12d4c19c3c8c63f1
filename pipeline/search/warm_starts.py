"""Warm starts: a sampler that knows from the start what another study has found, or the published population.

The published population goes by its name, where no study of the storage has it. A plan keeps the name and how many
trials there were, as "name:12", so that a study that is continued goes on with what it began with, however far the
other one has come since.
"""

from collections.abc import Iterator

from pipeline.errors import UsageError, unknown_name
from pipeline.evidence.population import POPULATION, PopulationTable, published_table
from pipeline.evidence.study_records import Rung, SearchPlan, Trial
from pipeline.search.storage import is_there, storage_url
from pipeline.search.studies import Studies
from pipeline.workspace import Workspace


def warm_start_of(place: Workspace, url: str | None, name: str) -> str:
    """The study from which another may learn, and how many trials it has by now, as a plan keeps it: "name:12".

    Raises UsageError where neither the storage nor the published evidence has such trials.
    """
    url = storage_url(place, url)
    names: list[str] = []
    if is_there(url):
        with Studies(url, place.locks) as studies:
            names = studies.names()
            if name in names:
                return f"{name}:{len(studies.open(name).trials())}"
    if name == POPULATION and (table := published_table(place)):
        return f"{name}:{len(table.networks)}"
    raise unknown_name("study", name, [*names, POPULATION])


def warm_trials(place: Workspace, studies: Studies, plan: SearchPlan) -> list[Trial]:
    """The trials that a plan's `warm_start` names.

    Raises UsageError where they are gone, or were trained on other data; other recipes are no hindrance, since what a
    sampler learns from is mostly which of two networks is the better one.
    """
    if plan.warm_start is None:
        return []
    name, _, count = plan.warm_start.rpartition(":")
    if name in studies.names():
        study = studies.open(name)
        fingerprint, trials = study.plan.data_fingerprint, study.trials()
    elif name == POPULATION and (table := published_table(place)):
        fingerprint, trials = table.plan.data_fingerprint, list(_as_trials(table))
    else:
        raise unknown_name("study", name, [*studies.names(), POPULATION])
    if fingerprint != plan.data_fingerprint:
        raise UsageError(f"--warm-start {name} is of other data than {plan.data} is now")
    return trials[: int(count)]


def _as_trials(table: PopulationTable) -> Iterator[Trial]:
    """The networks of the population as trials, by the seed of its plan."""
    for network in table.networks:
        errors = network.errors[str(table.plan.seed)]
        yield Trial(
            number=network.number,
            config=network.config,
            values=network.values,
            costs=network.costs,
            run="",
            rungs=(Rung(len(errors), errors[-1], network.number + 1),),
            state="complete",
            counted_at=network.number + 1,
        )
