"""Stage `reproduce`: trains the networks of the profile, with all families in one pool of workers."""

from dataclasses import replace

from pipeline.files import fresh_folder, write_json
from pipeline.process import run_stage
from pipeline.running.workers import prepare_workers
from pipeline.schema import read_record, to_json
from pipeline.workspace import current_workspace


def main() -> None:
    """Write reports/results/runs/<family>.json, a GroupRecord, for each family in the profile.

    Raises RunsFailedError and writes nothing if a run was lost for a transient reason.
    """
    workspace = current_workspace()
    target = fresh_folder(workspace.results / "runs")
    if plan_files := sorted((workspace.plans / "reproduce").glob("*.json")):
        prepare_workers()  # its server loads PyTorch while this process does
        from pipeline.reporting.mlflow_pages import show_networks
        from pipeline.running.campaign import run_plan
        from pipeline.running.plans import RunPlan
        from pipeline.running.reproduce import check_final
        from pipeline.stages.progress import stage_progress

        plans = {file.stem: read_record(RunPlan, file) for file in plan_files}
        networks = tuple(network for plan in plans.values() for network in plan.networks)
        together = replace(next(iter(plans.values())), group="reproduce", networks=networks)
        part = stage_progress(workspace, "reproduce").part(plans)
        record = run_plan(workspace, together, "reproduce", part=part, on_record=show_networks)
        check_final(record)
        for family, plan in plans.items():
            names = {network.name for network in plan.networks}
            own = tuple(network for network in record.networks if network.name in names)
            write_json(target / f"{family}.json", to_json(replace(record, group=family, networks=own)))


if __name__ == "__main__":
    run_stage("reproduce", current_workspace().locks, main)
