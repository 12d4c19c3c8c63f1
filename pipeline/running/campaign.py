"""Runs or estimates a plan in the workspace, for the stage `reproduce` and for `convstudy reproduce`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from pipeline.data.manifest import Manifest, load_manifest
from pipeline.evidence.records import GroupRecord, NetworkRecord
from pipeline.evidence.store import RunStore
from pipeline.machine import DeviceKind, resolve_device
from pipeline.running.display import ALONE, Display, StudyPart
from pipeline.running.estimate import describe, estimate, measured_speeds, trainings_at_once
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.plans import RunPlan, plan_group
from pipeline.running.reproduce import reproduce
from pipeline.running.requests import planned_requests
from pipeline.running.stored_runs import StoredRuns
from pipeline.settings import NetworkEntry, Settings
from pipeline.tracking.mirror import Mirror
from pipeline.workspace import Workspace


def plan_campaign(
    workspace: Workspace, settings: Settings, names: Sequence[str], profile_name: str | None, seeds: int | None
) -> RunPlan:
    """One plan for the networks named, with their entries in the profile if any, or for all networks of the profile."""
    profile_name = profile_name or settings.profile
    profile = settings.profile_named(profile_name)
    entries = {name: entry for group in profile.networks.values() for name, entry in group.items()}
    wanted = {name: entries.get(name, NetworkEntry()) for name in names} if names else entries
    manifest = load_manifest(workspace.prepared_data / settings.data.name)
    plan = plan_group("reproduce", wanted, settings, profile_name, manifest)
    return replace(plan, seeds=tuple(range(1, seeds + 1))) if seeds else plan


def estimate_campaign(
    workspace: Workspace, plan: RunPlan, workers: int | None, published: GroupRecord | None = None
) -> tuple[str, Any]:
    """Estimate a plan: runs to train, runs finished or `published`, hours and disk; as text and as JSON."""
    device = resolve_device()
    manifest = load_manifest(workspace.prepared_data / plan.data)
    workers = workers or _workers(plan, manifest, device)
    store = RunStore(workspace.runs)
    speeds = measured_speeds(store, device)
    estimates = []
    for network in plan.networks:
        alone = replace(plan, networks=(network,))
        found = stored_record(workspace, alone, device, published)
        chosen = {known.name: known.recipe.learning_rate for known in found.networks}
        requests = planned_requests(alone, manifest, device, published, chosen=chosen)
        taken_over = len(planned_requests(alone, manifest, device, chosen=chosen)) - len(requests)
        item = estimate(requests, manifest, store, speeds, workers, plan.keep_weights)
        item = replace(item, runs=item.runs + taken_over, finished=item.finished + taken_over)
        estimates.append((network.name, item))
    text = f"profile {plan.profile} on {device} with {workers} trainings at once (an estimate)\n{describe(estimates)}"
    value = {
        "profile": plan.profile,
        "device": device,
        "workers": workers,
        "networks": [{"name": name, **asdict(item)} for name, item in estimates],
        "hours": sum(item.hours for _, item in estimates),
        "disk_bytes": sum(item.disk_bytes for _, item in estimates),
    }
    return text, value


def run_plan(
    workspace: Workspace,
    plan: RunPlan,
    title: str,
    *,
    workers: int | None = None,
    quiet: bool = False,
    published: GroupRecord | None = None,
    device: DeviceKind | None = None,
    mirrored: bool = True,
    part: StudyPart = ALONE,
    on_record: Callable[[GroupRecord, Mirror], object] = lambda record, mirror: None,
) -> GroupRecord:
    """Train a plan in the workspace and return its record, which keeps failed runs with their reasons.

    Args:
        workspace: holds data, run store and MLflow.
        plan: what to train.
        title: name on the display.
        workers: number of parallel trainings; None: as many as the machine holds.
        quiet: show no progress.
        published: a record whose runs are taken over instead of trained.
        device: None: CUDA if available, else CPU.
        mirrored: whether MLflow is written.
        part: of the study, if the plan belongs to one.
        on_record: called with the record and the mirror before the mirror is closed.
    """
    device = device or resolve_device()
    manifest = load_manifest(workspace.prepared_data / plan.data)
    workers = workers or _workers(plan, manifest, device)
    display = Display(title, 0, quiet=quiet, part=part)
    options = RunnerOptions(
        workers, keep_weights=plan.keep_weights, checkpoint_seconds=plan.checkpoint_seconds, mirrored=mirrored
    )
    with open_runner(workspace, manifest, device, display, options) as runner:
        display.expect(len(planned_requests(plan, manifest, device, published, runner.holds)))
        record = reproduce(plan, manifest, runner, device, published)
        on_record(record, runner.mirror)
    return record


def stored_record(
    workspace: Workspace, plan: RunPlan, device: DeviceKind, published: GroupRecord | None = None
) -> GroupRecord:
    """The record of a plan from the runs in the run store and in a `published` record. Trains nothing."""
    manifest = load_manifest(workspace.prepared_data / plan.data)
    return reproduce(plan, manifest, StoredRuns(RunStore(workspace.runs), manifest.test_fingerprint), device, published)


def _workers(plan: RunPlan, manifest: Manifest, device: DeviceKind) -> int:
    return trainings_at_once([request.spec for request in planned_requests(plan, manifest, device)], device)


def tabulate(record: GroupRecord) -> str:
    """One line per network: rate, test error with its interval, seeds, flags."""
    lines = [f"{'network':<24} {'params':>11} {'MACs':>13} {'rate':>7}  {'test error %':<26} flags"]
    lines += [_row(network) for network in record.networks]
    return "\n".join(lines)


def _row(network: NetworkRecord) -> str:
    error = network.test_error_percent
    shown = "none"
    if error is not None:
        between = f" [{error.interval[0]:.2f}, {error.interval[1]:.2f}]" if error.interval else ""
        shown = f"{error.mean:.2f}{between} (n={error.n})"
    return (
        f"{network.name:<24} {network.params:>11,} {network.macs:>13,} {network.recipe.learning_rate:>7g}  "
        f"{shown:<26} {'; '.join(network.flags)}"
    )
