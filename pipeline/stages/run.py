"""Stage `run`: trains the networks of one group; `python -m pipeline.stages.run GROUP`."""

import sys

from pipeline.data.manifest import load_manifest
from pipeline.errors import RunsFailedError
from pipeline.evidence.records import GroupRecord
from pipeline.files import write_json
from pipeline.machine import resolve_device
from pipeline.process import run_stage
from pipeline.schema import read_record, to_json
from pipeline.search.display import Display
from pipeline.search.plans import RunPlan
from pipeline.search.reproduce import planned_requests, reproduce
from pipeline.search.session import open_runner
from pipeline.workspace import Workspace, workspace


def main(group: str) -> None:
    """Write reports/results/runs/<group>.json, a GroupRecord."""
    place = workspace()
    record = run_group(place, read_record(RunPlan, place.plans / "run" / f"{group}.json"))
    write_json(place.results / "runs" / f"{group}.json", to_json(record))


def run_group(place: Workspace, plan: RunPlan, workers: int | None = None, quiet: bool = False) -> GroupRecord:
    """Train a plan in the workspace; failed runs stay in the record with their reasons.

    Raises RunsFailedError where the plan has networks and not one of their runs was completed.
    """
    device = resolve_device()
    manifest = load_manifest(place.prepared_data / plan.data)
    display = Display(_title(place, plan.group), len(planned_requests(plan, manifest, device)), quiet=quiet)
    with open_runner(place, manifest, device, display, workers, plan.keep_weights, plan.checkpoint_seconds) as runner:
        record = reproduce(plan, manifest, runner, device)
    runs = [run for network in record.networks for run in network.runs]
    if record.networks and not any(run.state == "complete" for run in runs):
        raise RunsFailedError(f"no run of group {plan.group} was completed")
    return record


def _title(place: Workspace, group: str) -> str:
    """The group and its place among the planned ones, as "resnet 7/9"."""
    plans = sorted((place.plans / "run").glob("*.json"))
    groups = [plan.stem for plan in plans if read_record(RunPlan, plan).networks]
    return f"{group} {groups.index(group) + 1}/{len(groups)}" if group in groups else group


if __name__ == "__main__":
    run_stage(f"run-{sys.argv[1]}", workspace().locks, lambda: main(sys.argv[1]))
