"""Warm starts: the sampler starts with the trials of another study, or with the published population.

A study of the storage takes precedence over the population of the same name. A plan stores the name, how many rungs had
been reached there, and a digest of the trials complete by then, as "name:12:0a1b2c3d". So a resumed study keeps the
trials it began with, even if the other study has grown, and it detects if that study was started over.
"""

import hashlib
from collections.abc import Iterator, Sequence

from pipeline.errors import UsageError, unknown_name
from pipeline.evidence.population import POPULATION, PopulationTable, published_table
from pipeline.evidence.study_records import Rung, SearchPlan, Trial
from pipeline.files import canonical_json
from pipeline.search.storage import is_there, storage_url
from pipeline.search.studies import Studies
from pipeline.workspace import Workspace


def warm_start_of(workspace: Workspace, url: str | None, name: str) -> str:
    """The current state of the study to learn from, in the form that a plan stores: "name:12:0a1b2c3d".

    Raises UsageError if neither the storage nor the published evidence has such trials.
    """
    url = storage_url(workspace, url)
    names: list[str] = []
    if is_there(url):
        with Studies(url, workspace.locks) as studies:
            names = studies.names()
            if name in names:
                return _frozen(name, studies.open(name).trials())
    if name == POPULATION and (table := published_table(workspace)):
        return _frozen(name, list(_as_trials(table)))
    raise unknown_name("study", name, [*names, POPULATION])


def warm_trials(workspace: Workspace, studies: Studies | None, plan: SearchPlan, learner: str) -> list[Trial]:
    """The trials that the study `learner` starts with; without `studies`, those of the population.

    Raises UsageError if they are missing, have changed, are the study's own, or were trained on other data. Another
    recipe is allowed, because a sampler mostly learns which of two networks is better.
    """
    if plan.warm_start is None:
        return []
    name, arrivals, _ = plan.warm_start.rsplit(":", 2)
    if name == learner:
        raise UsageError(f"--warm-start {name} is the study itself: name another with --study")
    names = studies.names() if studies else []
    if studies and name in names:
        study = studies.open(name)
        fingerprint, trials = study.plan.data_fingerprint, study.trials()
    elif name == POPULATION and (table := published_table(workspace)):
        fingerprint, trials = table.plan.data_fingerprint, list(_as_trials(table))
    else:
        raise unknown_name("study", name, [*names, POPULATION])
    if fingerprint != plan.data_fingerprint:
        raise UsageError(f"--warm-start {name} is of other data than {plan.data} is now")
    known = _complete_by(trials, int(arrivals))
    if plan.warm_start != _frozen(name, known, int(arrivals)):
        raise UsageError(
            f"--warm-start {name} was started over after {learner} began with it: add --fresh to start {learner} over"
        )
    return known


def _complete_by(trials: Sequence[Trial], arrivals: int) -> list[Trial]:
    """The trials that were complete when the study had reached `arrivals` rungs."""
    return [trial for trial in trials if trial.state == "complete" and trial.rungs[-1].arrival <= arrivals]


def _frozen(name: str, trials: Sequence[Trial], arrivals: int | None = None) -> str:
    if arrivals is None:
        arrivals = max((rung.arrival for trial in trials for rung in trial.rungs), default=0)
    known = [[trial.config, trial.rungs[-1].validation_error_percent] for trial in _complete_by(trials, arrivals)]
    return f"{name}:{arrivals}:{hashlib.sha256(canonical_json(known).encode()).hexdigest()[:8]}"


def _as_trials(table: PopulationTable) -> Iterator[Trial]:
    """The networks of the population as trials, with the errors for the seed of its plan."""
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
