"""Stage `experiment`: trains the arms of the profile's experiments, starting with those of primary claims."""

from pipeline.errors import RunsFailedError
from pipeline.files import fresh_folder, write_json
from pipeline.process import run_stage
from pipeline.running.workers import prepare_workers
from pipeline.schema import read_record, to_json
from pipeline.workspace import current_workspace


def main() -> None:
    """Write reports/results/experiments/<name>.json, a GroupRecord, for each experiment of the profile.

    Raises RunsFailedError if runs were lost for a transient reason, after all other experiments have been written.
    """
    workspace = current_workspace()
    target = fresh_folder(workspace.results / "experiments")
    if not (plan_files := sorted((workspace.plans / "experiments").glob("*.json"))):
        return
    prepare_workers()  # its server loads PyTorch while this process does
    from pipeline.reporting.mlflow_pages import show_networks
    from pipeline.running.campaign import run_plan
    from pipeline.running.plans import RunPlan
    from pipeline.running.reproduce import check_final
    from pipeline.stages.progress import stage_progress

    plans = sorted((read_record(RunPlan, file) for file in plan_files), key=lambda plan: not plan.first)
    progress, names = stage_progress(workspace, "experiment"), [plan.group for plan in plans]
    lost = []
    for number, plan in enumerate(plans, 1):
        title, part = f"{plan.group} {number}/{len(plans)}", progress.part([plan.group], names[number:])
        record = run_plan(workspace, plan, title, part=part, on_record=show_networks)
        try:
            check_final(record)
        except RunsFailedError as error:
            lost.append(str(error))
        else:
            write_json(target / f"{plan.group}.json", to_json(record))
    if lost:
        raise RunsFailedError("; ".join(lost))


if __name__ == "__main__":
    run_stage("experiment", current_workspace().locks, main)
