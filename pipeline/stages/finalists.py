"""Stage `finalists`: retrains the best networks of each search and compares them with baselines."""

from pipeline.errors import RunsFailedError
from pipeline.evidence.study_records import StudyRecord
from pipeline.files import fresh_folder, write_json
from pipeline.process import run_stage
from pipeline.running.workers import prepare_workers
from pipeline.schema import read_record, to_json
from pipeline.workspace import current_workspace


def main() -> None:
    """Write reports/results/finalists/<family>.json, a FinalistsRecord, for each search that found a network.

    Raises RunsFailedError if a training was lost for a transient reason.
    """
    workspace = current_workspace()
    target = fresh_folder(workspace.results / "finalists")
    searched = {file: read_record(StudyRecord, file) for file in sorted((workspace.results / "studies").glob("*.json"))}
    with_front = {file: study for file, study in searched.items() if study.front}
    if not with_front:
        return
    prepare_workers()  # its server loads PyTorch while this process does
    from pipeline.search.finalist_runs import compare_finalists
    from pipeline.search.plans import PlannedSearch
    from pipeline.stages.progress import stage_progress

    progress, names = stage_progress(workspace, "finalists"), [file.stem for file in with_front]
    for number, (file, study) in enumerate(with_front.items(), 1):
        planned = read_record(PlannedSearch, workspace.plans / "search" / file.name)
        part = progress.part([file.stem], names[number:])
        found = compare_finalists(workspace, study, planned.plan, planned.finalists, part=part)
        if found.lost:
            raise RunsFailedError(f"{found.lost} trainings of the finalists of {file.stem} were lost; run it again")
        write_json(target / file.name, to_json(found))


if __name__ == "__main__":
    run_stage("finalists", current_workspace().locks, main)
