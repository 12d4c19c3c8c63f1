"""The study's trainings as the stages `run`, `experiment` and `timing` make them, mirrored nowhere.

Called by gpu/run.py as `python -m gpu.study PROFILE DEVICE WORKERS` (0: what fits); what is done is not read again, so
that a call after an interruption begins where the last one ended.
"""

import sys
from dataclasses import replace

from pipeline.process import prepare_workers, run_and_exit

if __name__ == "__main__":
    prepare_workers()

from pipeline.claims.evidence import EXPERIMENTS, TIMINGS, catalogue_of
from pipeline.claims.experiments import plan_experiment
from pipeline.claims.measuring import take_timing
from pipeline.claims.timings import plan_timing
from pipeline.data.manifest import load_manifest
from pipeline.evidence.store import RunStore
from pipeline.files import write_json
from pipeline.machine import resolve_device
from pipeline.running.display import Display
from pipeline.running.estimate import trainings_at_once
from pipeline.running.plans import plan_runs
from pipeline.running.reproduce import reproduce
from pipeline.running.requests import planned_requests
from pipeline.running.session import RunnerOptions, open_runner
from pipeline.schema import to_json
from pipeline.settings import read_settings
from pipeline.workspace import workspace


def main(profile: str, device_name: str, workers: int) -> None:
    """Train every group and experiment of a profile and write its GroupRecord, then take the timings."""
    place = workspace()
    settings = read_settings(place.params_file)
    manifest = load_manifest(place.prepared_data / settings.data.name)
    device = resolve_device(device_name)
    catalogue = catalogue_of(place)
    groups = [plan for plan in plan_runs(settings, profile, manifest).values() if plan.networks]
    experiments = [
        plan_experiment(name, experiment, profile, settings, manifest)
        for name, experiment in catalogue.experiments.items()
        if profile in experiment.sizes
    ]
    plans = [*(("runs", plan) for plan in groups), *((EXPERIMENTS, plan) for plan in experiments)]
    for number, (kind, plan) in enumerate(plans, 1):
        record_file = place.results / kind / f"{plan.group}.json"
        if record_file.exists():
            continue
        plan = replace(plan, keep_weights=False)
        requests = planned_requests(plan, manifest, device)
        at_once = workers or trainings_at_once([request.spec for request in requests], device)
        display = Display(f"{plan.group} {number}/{len(plans)}, {at_once} at once", len(requests))
        options = RunnerOptions(at_once, checkpoint_seconds=plan.checkpoint_seconds, mirrored=False)
        with open_runner(place, manifest, device, display, options) as runner:
            write_json(record_file, to_json(reproduce(plan, manifest, runner, device)))
    for name, timing in catalogue.timings.items():
        planned, record_file = plan_timing(name, timing, profile), place.results / TIMINGS / f"{name}.json"
        if planned.rounds and not record_file.exists():
            write_json(record_file, to_json(take_timing(planned, device, print)))
    finished = sum(1 for folder in RunStore(place.runs) if folder.result() is not None)
    print(f"done: {len(groups)} groups, {len(experiments)} experiments, {finished} runs with a result")


if __name__ == "__main__":
    run_and_exit(lambda: main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
