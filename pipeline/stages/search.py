"""Stage `search`: runs the searches of the profile."""

from typing import TYPE_CHECKING

from pipeline.errors import RunsFailedError
from pipeline.files import fresh_folder, write_json
from pipeline.process import run_stage
from pipeline.running.workers import prepare_workers
from pipeline.schema import read_record, to_json
from pipeline.workspace import Workspace, current_workspace

if TYPE_CHECKING:
    from pipeline.evidence.study_records import StudyRecord
    from pipeline.running.display import StudyPart
    from pipeline.search.plans import PlannedSearch


def main() -> None:
    """Write reports/results/studies/<family>.json, a StudyRecord, for each search of the profile."""
    workspace = current_workspace()
    target = fresh_folder(workspace.results / "studies")
    if plan_files := sorted((workspace.plans / "search").glob("*.json")):
        prepare_workers()  # its server loads PyTorch while this process does
        from pipeline.search.plans import PlannedSearch
        from pipeline.stages.progress import stage_progress

        progress, names = stage_progress(workspace, "search"), [file.stem for file in plan_files]
        for number, file in enumerate(plan_files, 1):
            part = progress.part([file.stem], names[number:])
            write_json(target / file.name, to_json(_searched(workspace, read_record(PlannedSearch, file), part)))


def _searched(workspace: Workspace, planned: "PlannedSearch", part: "StudyPart") -> "StudyRecord":
    """Run a search and return its record, which includes failed trials.

    Raises RunsFailedError if all trials were lost for a transient reason. It then deletes the study, because a study
    does not retry lost trials.
    """
    from pipeline.data.manifest import load_manifest
    from pipeline.evidence.records import PASSING_REASONS
    from pipeline.evidence.study_records import Budget
    from pipeline.search.searches import search
    from pipeline.search.storage import storage_url
    from pipeline.search.studies import Studies

    manifest = load_manifest(workspace.prepared_data / planned.plan.data)
    study = search(workspace, manifest, planned.plan, Budget(trials=planned.trials), name=planned.study, part=part)
    if study.trials and all(trial.reason in PASSING_REASONS for trial in study.trials):
        with Studies(storage_url(workspace, None), workspace.locks) as studies:
            studies.remove(planned.study)
        reason = study.trials[0].reason
        raise RunsFailedError(f"all trials of study {planned.study} were lost ({reason}): run it again")
    return study


if __name__ == "__main__":
    run_stage("search", current_workspace().locks, main)
