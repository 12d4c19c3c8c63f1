"""What a search would take, before it is begun."""

import statistics
from typing import Any

import search_spaces
from pipeline.data.manifest import Manifest
from pipeline.errors import UsageError
from pipeline.evidence.study_records import Budget, SearchPlan
from pipeline.search.candidates import spec_of
from pipeline.search.estimate import RECORD_BYTES, run_seconds
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
    workers: int,
) -> tuple[str, dict[str, Any]]:
    """What a search would train, hours and disk (an estimate), as text and as JSON; nothing is created."""
    name = name or default_name(plan)
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
    text = (
        f"study {name}: {space.size:,} networks in {space.name}; {counted} trials counted, {trials} to go: about "
        f"{hours:.2f} hours with {workers} at once on {plan.device}, {disk / 2**20:.0f} MiB and the front's weights"
    )
    if plan.reduction is not None:
        whole = max(1, (counted + trials) // plan.reduction ** (len(plan.rungs) - 1))
        text += f"; of all {counted + trials} some {whole} are trained in full"
    return text, {
        "study": name,
        "networks": space.size,
        "counted": counted,
        "trials": trials,
        "hours": hours,
        "disk_bytes": disk,
    }


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
