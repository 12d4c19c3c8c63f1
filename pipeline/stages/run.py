"""Stage `run`: trains the networks of one group; `python -m pipeline.stages.run GROUP`."""

import sys

from pipeline.data.manifest import load_manifest, summary
from pipeline.errors import RunsFailedError
from pipeline.evidence.records import GroupRecord
from pipeline.files import write_json
from pipeline.process import run_stage
from pipeline.schema import read_record, to_json
from pipeline.search.campaign import run_plan
from pipeline.search.plans import RunPlan
from pipeline.workspace import Workspace, workspace


def main(group: str) -> None:
    """Write reports/results/runs/<group>.json, a GroupRecord.

    Raises RunsFailedError, and writes nothing, where not one run was completed.
    """
    place = workspace()
    plan = read_record(RunPlan, place.plans / "run" / f"{group}.json")
    if plan.networks:
        record = run_plan(place, plan, _title(place, group))
        if not any(run.state == "complete" for network in record.networks for run in network.runs):
            raise RunsFailedError(f"no run of group {group} was completed")
    else:  # this profile trains none of the family
        manifest = load_manifest(place.prepared_data / plan.data)
        record = GroupRecord("group/1", plan.group, plan.profile, summary(manifest), ())
    write_json(place.results / "runs" / f"{group}.json", to_json(record))


def _title(place: Workspace, group: str) -> str:
    """The group and its place among the planned ones, as "resnet 7/9"."""
    plans = sorted((place.plans / "run").glob("*.json"))
    groups = [plan.stem for plan in plans if read_record(RunPlan, plan).networks]
    return f"{group} {groups.index(group) + 1}/{len(groups)}" if group in groups else group


if __name__ == "__main__":
    run_stage(f"run-{sys.argv[1]}", workspace().locks, lambda: main(sys.argv[1]))
