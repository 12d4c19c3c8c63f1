"""Reuses published runs instead of training them, if their addresses (device included) are the same.

Published records are never written. The new record's flags say how many seeds were reused, and their measurements name
the hardware that made them.
"""

from dataclasses import dataclass, field

from pipeline.data.manifest import Manifest
from pipeline.evidence.records import PASSING_REASONS, GroupRecord, RateTrial, SeedRun
from pipeline.evidence.statistics import NO_RATE_TRAINS
from pipeline.machine import DeviceKind
from pipeline.running.plans import PlannedNetwork, RunPlan


@dataclass(frozen=True)
class PublishedRuns:
    """Published runs of one network by address. `rate` and `trials` are set if its rate was selected likewise."""

    rate: float | None = None
    trials: tuple[RateTrial, ...] = ()
    runs: dict[str, SeedRun] = field(default_factory=dict)


def published_runs(
    network: PlannedNetwork, plan: RunPlan, manifest: Manifest, device: DeviceKind, record: GroupRecord | None
) -> PublishedRuns:
    """The usable runs of a planned network in a record: those that have all tests and probes of the plan."""
    found = next((arm for arm in record.networks if arm.name == network.name), None) if record else None
    if found is None:
        return PublishedRuns()
    runs = {run.run: run for run in found.runs if _is_whole(run, plan)}
    recipes = [network.choice_recipe_at(rate) for rate in network.rates]
    wanted = {network.spec(r, seed, manifest, device).hash for r in recipes for seed in network.choice_seeds}
    chosen_alike = bool(found.rates) and {trial.run for trial in found.rates} == wanted
    if not chosen_alike or NO_RATE_TRAINS in found.flags:
        return PublishedRuns(runs=runs)
    return PublishedRuns(found.recipe.learning_rate, found.rates, runs)


def _is_whole(run: SeedRun, plan: RunPlan) -> bool:
    if run.state != "complete":
        return run.reason not in PASSING_REASONS
    return (not plan.test or run.test_error_percent is not None) and set(plan.probes) <= set(run.probes)
