"""What a search would take, before it is begun."""

import statistics
from typing import Any

import search_spaces
from pipeline.data.manifest import Manifest
from pipeline.errors import UsageError
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import Budget, SearchPlan
from pipeline.machine import default_workers
from pipeline.search.candidates import spec_of
from pipeline.search.estimate import RECORD_BYTES, run_seconds, trainings_at_once
from pipeline.search.gate import sample_within
from pipeline.search.search_plans import default_name
from pipeline.search.storage import is_there, storage_url
from pipeline.search.studies import Studies
from pipeline.workspace import Workspace

ESTIMATED_NETWORKS = 9
"""Networks drawn uniformly within the limits, whose median time stands for a trial's in an estimate."""


def estimate_search(
    place: Workspace,
    manifest: Manifest,
    plan: SearchPlan,
    budget: Budget,
    name: str | None,
    url: str | None,
    workers: int | None,
) -> tuple[str, dict[str, Any]]:
    """What a search would train, hours and disk (an estimate), as text and as JSON; nothing is created."""
    name, workers = name or default_name(plan), workers or search_workers(plan)
    space = search_spaces.space(plan.space)
    counted = _counted_so_far(storage_url(place, url), place, name)
    sample = sample_within(plan, space, ESTIMATED_NETWORKS)
    if not sample:
        raise UsageError(f"no network of {space.name} within the limits was met in 20,000 draws: an estimate needs one")
    seconds = statistics.median(_trial_seconds(plan, config, manifest) for config in sample) / workers
    trials = (
        max(0, budget.trials - counted) if budget.trials is not None else round(3600 * (budget.hours or 0) / seconds)
    )
    hours = trials * seconds / 3600
    disk = trials * RECORD_BYTES
    trained = _trained_already(plan, RunStore(place.runs))
    text = (
        f"study {name}: up to {space.size:,} networks in {space.name}; {counted} trials counted, {trials} to go: about "
        f"{hours:.2f} hours with {workers} at once on {plan.device}, {disk / 2**20:.0f} MiB and the front's weights; "
        f"{trained} networks of the families are in the run store already, trained alike"
    )
    if plan.reduction is not None:
        whole = max(1, (counted + trials) // plan.reduction ** (len(plan.rungs) - 1))
        text += f"; of all {counted + trials} some {whole} are trained in full"
    return text, {
        "study": name,
        "networks": space.size,
        "counted": counted,
        "trials": trials,
        "finished": trained,
        "hours": hours,
        "disk_bytes": disk,
    }


def search_workers(plan: SearchPlan) -> int:
    """Trainings of a search side by side: one a core on CPU, on a card as many as fit of the largest of those drawn."""
    if plan.device == "cpu":
        return default_workers(plan.device)
    drawn = sample_within(plan, search_spaces.space(plan.space), ESTIMATED_NETWORKS)
    return trainings_at_once([spec_of(plan, config) for config in drawn], plan.device)


def _trained_already(plan: SearchPlan, store: RunStore) -> int:
    """Networks of the families that this recipe has trained in full on these data, whoever asked for them."""
    count = 0
    for folder in store:
        header = folder.header()
        spec = header.spec if header else None
        if spec is None or spec.family not in plan.space:
            continue
        if spec == spec_of(plan, {"family": spec.family, "config": spec.config}):
            result = folder.result()
            count += result is not None and result.state == "complete"
    return count


def _trial_seconds(plan: SearchPlan, config: dict[str, Any], manifest: Manifest) -> float:
    """Seconds of one trial's training by one worker, on average over what its rungs let go on."""
    epochs, before = 0.0, 0
    for place, rung in enumerate(plan.rungs):
        epochs += (rung - before) / (plan.reduction or 1) ** place
        before = rung
    return run_seconds(spec_of(plan, config), manifest) * epochs / plan.recipe.epochs


def _counted_so_far(url: str, place: Workspace, name: str) -> int:
    if not is_there(url):
        return 0
    with Studies(url, place.locks) as studies:
        return len(studies.open(name).trials()) if name in studies.names() else 0
