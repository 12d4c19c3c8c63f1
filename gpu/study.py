"""The same trainings as the stages `reproduce`, `experiment` and `timing`, without MLflow.

gpu/run.py calls it. A repeated call skips finished work and resumes the rest.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from pipeline.process import Interrupted, run_and_exit
from pipeline.running.workers import prepare_workers

if __name__ == "__main__":
    prepare_workers()

from pipeline.claims.catalogue import catalogue_of
from pipeline.claims.claim_records import EXPERIMENTS, TIMINGS, check_record, published_record
from pipeline.claims.experiments import plan_experiment
from pipeline.claims.timings.costs import check_timing
from pipeline.claims.timings.measuring import take_timing
from pipeline.claims.timings.plans import PlannedTiming, TimingRecord, plan_timing
from pipeline.data.manifest import Manifest, load_manifest
from pipeline.errors import RunsFailedError, UsageError, unknown_name
from pipeline.evidence.records import GroupRecord
from pipeline.evidence.store import RunStore
from pipeline.files import write_json
from pipeline.machine import resolve_device
from pipeline.running.campaign import run_plan, stored_record
from pipeline.running.plans import RunPlan, plan_runs
from pipeline.running.reproduce import check_final
from pipeline.schema import read_record, to_json
from pipeline.settings import read_settings
from pipeline.workspace import current_workspace


def main(profile: str, device_name: str, workers: int = 0, only: str = "", published: bool = False) -> None:
    """Train all groups and experiments of a profile, write their records, then take the timings.

    Args:
        profile: the profile.
        device_name: the device, or "auto".
        workers: trainings at once; 0: as many as fit.
        only: comma-separated groups, experiments and timings to run, in this order, timings last; "": all.
        published: reuse published runs of experiments that are not in the run store.

    Raises:
        UsageError: the profile has no such group, experiment or timing.
        RunsFailedError: some runs failed; the others are done.
    """
    workspace = current_workspace()
    settings = read_settings(workspace.params_file)
    manifest = load_manifest(workspace.prepared_data / settings.data.name)
    device = resolve_device(device_name)
    catalogue = catalogue_of(workspace)
    groups = [plan for plan in plan_runs(settings, profile, manifest).values() if plan.networks]
    experiments = [
        plan_experiment(name, experiment, profile, settings, manifest)
        for name, experiment in catalogue.experiments.items()
        if profile in experiment.sizes
    ]
    failures: list[str] = []
    plans = [*(("runs", plan) for plan in groups), *((EXPERIMENTS, plan) for plan in experiments)]
    timings = [name for name, timing in catalogue.timings.items() if profile in timing.rounds]
    offered = [*(plan.group for _, plan in plans), *timings]
    wanted = only.split(",") if only else offered
    for name in wanted:
        if name not in offered:
            raise unknown_name("group, experiment or timing", name, offered)
    plans = [found for name in wanted for found in plans if found[1].group == name]
    for number, (kind, plan) in enumerate(plans, 1):
        record_file = workspace.results / kind / f"{plan.group}.json"
        if _is_done(plan, record_file, manifest):
            continue
        plan = replace(plan, keep_weights=False)
        known = published_record(workspace, plan.group, profile) if published and kind == EXPERIMENTS else None
        title = f"{plan.group} {number}/{len(plans)}"
        try:
            record = run_plan(
                workspace, plan, title, workers=workers or None, published=known, device=device, mirrored=False
            )
        except Interrupted:
            _write(record_file, kind, stored_record(workspace, plan, device, known), whole=False)
            raise
        try:
            check_final(record)
        except RunsFailedError as error:  # run the others first
            print(error)
            failures.append(str(error))
        _write(record_file, kind, record, whole=not record.lost)
    for name in (name for name in wanted if name in timings):
        timing = catalogue.timings[name]
        planned, record_file = plan_timing(name, timing, profile), workspace.results / TIMINGS / f"{name}.json"
        if not _is_taken(name, planned, record_file):
            write_json(record_file, to_json(take_timing(planned, device, print)))
    finished = sum(1 for folder in RunStore(workspace.runs) if folder.result() is not None)
    if failures:
        raise RunsFailedError(f"{len(failures)} of {len(plans)} groups and experiments are not complete: {failures[0]}")
    print(f"done: {len(plans)} groups and experiments, {finished} runs with a result")


def _write(record_file: Path, kind: str, record: GroupRecord, *, whole: bool) -> None:
    """Write a record. Incomplete records are written only for experiments, which can be published as unfinished."""
    if whole or kind == EXPERIMENTS:
        write_json(record_file, to_json(record))


def _is_done(plan: RunPlan, record_file: Path, manifest: Manifest) -> bool:
    """Whether there is a record of exactly this plan without lost runs."""
    if not record_file.exists():
        return False
    record = read_record(GroupRecord, record_file)
    try:
        check_record(plan, record, manifest)
    except UsageError:
        return False
    return record.profile == plan.profile and not record.lost


def _is_taken(name: str, planned: PlannedTiming, record_file: Path) -> bool:
    """Whether there is a record of exactly these arms and rounds."""
    if not record_file.exists():
        return False
    record = read_record(TimingRecord, record_file)
    try:
        check_timing(name, planned.timing, record)
    except UsageError:
        return False
    return record.profile == planned.profile


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--published", action="store_true")
    asked = parser.parse_args()
    run_and_exit(lambda: main(asked.profile, asked.device, asked.workers, asked.only, asked.published))
