"""Stage `reproduce`: trains the networks of one group; `python -m pipeline.stages.reproduce GROUP`."""

import sys
from pathlib import Path

from pipeline.data.manifest import load_manifest, summary
from pipeline.evidence.records import GroupRecord
from pipeline.files import read_json, write_json
from pipeline.process import run_stage
from pipeline.running.workers import prepare_workers
from pipeline.schema import read_record, to_json
from pipeline.workspace import Workspace, current_workspace


def main(group: str) -> None:
    """Write reports/results/runs/<group>.json, a GroupRecord.

    Raises RunsFailedError, and writes nothing, where a run was lost for a passing reason.
    """
    workspace = current_workspace()
    plan_file = workspace.plans / "reproduce" / f"{group}.json"
    write_json(workspace.results / "runs" / f"{group}.json", to_json(carry_out(workspace, plan_file)))


def carry_out(workspace: Workspace, plan_file: Path) -> GroupRecord:
    """Train what a plan says; the record of a plan without networks is empty."""
    group = plan_file.stem
    if has_networks(plan_file):
        prepare_workers()  # PyTorch loads there while it loads here
        from pipeline.reporting.mlflow_pages import show_networks
        from pipeline.running.campaign import run_plan  # PyTorch is loaded only where something is trained
        from pipeline.running.plans import RunPlan
        from pipeline.running.reproduce import check_final

        title = _title(group, plan_file.parent)
        record = run_plan(workspace, read_record(RunPlan, plan_file), title, on_record=show_networks)
        check_final(record)
        return record
    plan = read_json(plan_file)
    manifest = load_manifest(workspace.prepared_data / plan["data"])
    return GroupRecord("group/1", group, plan["profile"], summary(manifest), ())


def has_networks(plan_file: Path) -> bool:
    """Whether the profile trains (or prices) any network of a plan's group."""
    return bool(read_json(plan_file)["networks"])


def _title(group: str, plans: Path) -> str:
    """The group and its place among those that train something, as "resnet 7/9"."""
    groups = [path.stem for path in sorted(plans.glob("*.json")) if has_networks(path)]
    return f"{group} {groups.index(group) + 1}/{len(groups)}"


if __name__ == "__main__":
    run_stage(f"reproduce-{sys.argv[1]}", current_workspace().locks, lambda: main(sys.argv[1]))
