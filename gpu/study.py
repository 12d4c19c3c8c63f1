"""The study's trainings and prices as the stages `plan`, `profile` and `run` make them, mirrored nowhere.

Called by gpu/run.py as `python -m gpu.study PROFILE DEVICE WORKERS` (0: what fits); a group that is done is not read
again, so that a call after an interruption begins where the last one ended.
"""

import sys
from dataclasses import replace

from pipeline.process import prepare_workers, run_and_exit

if __name__ == "__main__":
    prepare_workers()

from pipeline.data.manifest import load_manifest
from pipeline.evidence.store import RunStore
from pipeline.files import write_json
from pipeline.machine import resolve_device
from pipeline.schema import to_json
from pipeline.search.display import Display
from pipeline.search.estimate import trainings_at_once
from pipeline.search.plans import plan_runs
from pipeline.search.reproduce import planned_requests, reproduce
from pipeline.search.session import open_runner
from pipeline.settings import read_settings
from pipeline.workspace import workspace


def main(profile: str, device_name: str, workers: int) -> None:
    """Train every group of a profile and write its GroupRecord."""
    place = workspace()
    settings = read_settings(place.params_file)
    manifest = load_manifest(place.prepared_data / settings.data.name)
    device = resolve_device(device_name)
    plans = [plan for plan in plan_runs(settings, profile, manifest).values() if plan.networks]
    for number, plan in enumerate(plans, 1):
        record_file = place.results / "runs" / f"{plan.group}.json"
        if record_file.exists():
            continue
        plan = replace(plan, keep_weights=False)
        requests = planned_requests(plan, manifest, device)
        at_once = workers or trainings_at_once(requests, device)
        display = Display(f"{plan.group} {number}/{len(plans)}, {at_once} at once", len(requests))
        with open_runner(
            place, manifest, device, display, at_once, False, plan.checkpoint_seconds, mirrored=False
        ) as runner:
            write_json(record_file, to_json(reproduce(plan, manifest, runner, device)))
    finished = sum(1 for folder in RunStore(place.runs) if folder.result() is not None)
    print(f"done: {len(plans)} groups, {finished} runs with a result")


if __name__ == "__main__":
    run_and_exit(lambda: main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
