"""Published runs taken over in place of trainings: those of the same content, device included.

A published record is read, never written, and what is taken from it is said in the new record's flags; its
measurements name the hardware they were made on.
"""

from dataclasses import dataclass, field

from pipeline.data.manifest import Manifest
from pipeline.evidence.records import PASSING_REASONS, GroupRecord, RateTrial, SeedRun
from pipeline.evidence.statistics import NO_RATE_TRAINS
from pipeline.machine import DeviceKind
from pipeline.running.plans import PlannedNetwork, RunPlan


@dataclass(frozen=True)
class PublishedRuns:
    """What is published of one network: `rate` and `trials` where its rate was chosen alike, and runs by address."""

    rate: float | None = None
    trials: tuple[RateTrial, ...] = ()
    runs: dict[str, SeedRun] = field(default_factory=dict)


def published_runs(
    network: PlannedNetwork, plan: RunPlan, manifest: Manifest, device: DeviceKind, record: GroupRecord | None
) -> PublishedRuns:
    """What a record holds of a planned network; a run counts if it has the tests and probes that are wanted."""
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
