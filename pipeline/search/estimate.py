"""Estimates hours, disk and trainings of a search before it starts."""

import itertools
import statistics
from functools import partial
from typing import Any

import search_spaces
from pipeline.data.manifest import Manifest
from pipeline.errors import UsageError
from pipeline.evidence.records import RunSpec
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import Budget, SearchPlan
from pipeline.machine import default_workers
from pipeline.running.estimate import RECORD_BYTES, run_seconds, training_macs, trainings_at_once
from pipeline.search.candidates import spec_of
from pipeline.search.gate import SAMPLE_DRAWS, costs_of, described, sample_within, sampled_within
from pipeline.search.plans import PlannedSearch, default_name, in_force
from pipeline.search.storage import is_there, storage_url
from pipeline.search.studies import Studies
from pipeline.search.warm_starts import warm_trials
from pipeline.workspace import Workspace
from search_spaces import Design

ESTIMATED_NETWORKS = 9
"""Number of random networks within the limits whose median time estimates the time of a trial."""
DRAWN_FOR_MEMORY, LARGEST = 500, 5
"""Number of networks drawn; the LARGEST by activations and by parameters estimate a trial's memory on a GPU."""


def estimate_search(
    workspace: Workspace,
    manifest: Manifest,
    plan: SearchPlan,
    budget: Budget,
    name: str | None,
    url: str | None,
    workers: int | None,
    fresh: bool = False,
) -> tuple[str, dict[str, Any]]:
    """What a search would train, with estimated hours and disk, as text and as JSON. Creates nothing.

    Raises UsageError if the search itself would, because the study was made with another plan.
    """
    name, workers = name or default_name(plan), workers or search_workers(plan)
    space = search_spaces.space(plan.space)
    counted, spent_seconds = _so_far(storage_url(workspace, url), workspace, name, plan, fresh)
    sample = sample_within(plan, space, ESTIMATED_NETWORKS)
    if not sample:
        raise UsageError(
            f"no network of {space.name} within the limits was found in 20,000 draws; an estimate needs one"
        )
    seconds = statistics.median(_trial_seconds(plan, config, manifest) for config in sample) / workers
    if budget.trials is not None:
        trials = max(0, budget.trials - counted)
    else:
        trials = round(max(0.0, 3600 * (budget.hours or 0) - spent_seconds) / seconds)
    hours = trials * seconds / 3600
    disk = trials * RECORD_BYTES
    trained = trained_alike(plan, RunStore(workspace.runs))
    text = (
        f"study {name}: up to {space.size:,} networks in {space.name}; {counted} trials counted, {trials} to go: about "
        f"{hours:.2f} hours with {workers} at once on {plan.device}, {disk / 2**20:.0f} MiB and the front's weights; "
        f"{trained} networks of the families are in the run store already, trained alike"
    )
    if plan.reduction is not None:
        whole = max(1, (counted + trials) // plan.reduction ** (len(plan.rungs) - 1))
        text += f"; about {whole} of {counted + trials} trials are trained in full"
    return text, {
        "study": name,
        "networks": space.size,
        "counted": counted,
        "trials": trials,
        "trained_alike": trained,
        "hours": hours,
        "disk_bytes": disk,
    }


def search_macs(planned: PlannedSearch, manifest: Manifest) -> float:
    """Work of a search's trials, for comparison with other work: in the MACs of `training_macs`."""
    return planned.trials * _epochs(planned.plan) / planned.plan.recipe.epochs * _training_macs(planned.plan, manifest)


def finalists_macs(planned: PlannedSearch, manifest: Manifest) -> float:
    """Work of a comparison of finalists with one reference, in the unit of `search_macs`."""
    wanted = planned.finalists
    trainings = wanted.seeds * (wanted.members + 1) + wanted.members * wanted.random_networks
    random_search = search_macs(planned, manifest) if wanted.random_search else 0.0
    return trainings * _training_macs(planned.plan, manifest) + random_search


def _training_macs(plan: SearchPlan, manifest: Manifest) -> float:
    """Work of one complete training of a network within the limits: the median of a few drawn at random."""
    specs = [
        spec_of(plan, config) for config in sample_within(plan, search_spaces.space(plan.space), ESTIMATED_NETWORKS)
    ]
    return statistics.median(training_macs(spec, manifest) for spec in specs) if specs else 0.0


def search_workers(plan: SearchPlan, references: bool = False) -> int:
    """Number of trainings at once: one per core on CPU; on a GPU, as many of the largest networks as fit.

    With `references`, the families' references count too, even if they exceed the limits.
    """
    if plan.device == "cpu":
        return default_workers(plan.device)
    space = search_spaces.space(plan.space)
    designs = list(itertools.islice(sampled_within(plan, space, SAMPLE_DRAWS), DRAWN_FOR_MEMORY))
    if references:
        families = {family.name: family for family, _ in space.parts.values()}
        known = [Design(family, one.config) for family in families.values() for one in family.references.values()]
        designs += [design for design in known if costs_of(design, plan) is not None]
    largest: list[RunSpec] = []
    for key in ("activations", "params"):
        designs.sort(key=partial(_cost_of, plan, key), reverse=True)
        largest += [spec_of(plan, described(design)) for design in designs[:LARGEST]]
    return trainings_at_once(largest, plan.device)


def _cost_of(plan: SearchPlan, key: str, design: Design) -> float:
    costs = costs_of(design, plan)
    return costs[key] if costs else 0.0


def trained_alike(plan: SearchPlan, store: RunStore) -> int:
    """Number of networks of the families in the run store that this recipe trained in full on these data."""
    families = {family.name for family, _ in search_spaces.space(plan.space).parts.values()}
    count = 0
    for folder in store:
        header = folder.header()
        spec = header.spec if header else None
        if spec is None or spec.family not in families:
            continue
        if spec == spec_of(plan, {"family": spec.family, "config": spec.config}):
            result = folder.result()
            count += result is not None and result.state == "complete"
    return count


def _trial_seconds(plan: SearchPlan, config: dict[str, Any], manifest: Manifest) -> float:
    """Mean seconds of one trial's training by one worker, given that some stop at a rung."""
    return run_seconds(spec_of(plan, config), manifest) * _epochs(plan) / plan.recipe.epochs


def _epochs(plan: SearchPlan) -> float:
    """Mean epochs of a trial, given that some stop at a rung."""
    epochs, before = 0.0, 0
    for index, rung in enumerate(plan.rungs):
        epochs += (rung - before) / (plan.reduction or 1) ** index
        before = rung
    return epochs


def _so_far(url: str, workspace: Workspace, name: str, plan: SearchPlan, fresh: bool) -> tuple[int, float]:
    """Counted trials and seconds spent if the study is resumed; raises the same errors as the search."""
    if not is_there(url):
        warm_trials(workspace, None, plan, name)
        return 0, 0.0
    with Studies(url, workspace.locks) as studies:
        study = None if fresh or name not in studies.names() else studies.open(name)
        warm_trials(workspace, studies, plan if study is None else in_force(study.plan, plan, name), name)
        if study is None:
            return 0, 0.0
        return sum(trial.counted_at is not None for trial in study.trials()), study.spent_seconds
