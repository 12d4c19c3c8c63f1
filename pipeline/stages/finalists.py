"""Stage `finalists`: a search's best trained again and compared; `python -m pipeline.stages.finalists ENTRY`."""

import sys
from typing import Any

from pipeline.errors import RunsFailedError
from pipeline.evidence.study_records import StudyRecord
from pipeline.files import write_json
from pipeline.process import run_stage
from pipeline.running.workers import prepare_workers
from pipeline.schema import read_optional, read_record, to_json
from pipeline.workspace import current_workspace


def main(entry: str) -> None:
    """Write reports/results/finalists/<entry>.json, a FinalistsRecord; empty where nothing was searched, or found."""
    workspace = current_workspace()
    study = read_optional(StudyRecord, workspace.results / "studies" / f"{entry}.json")
    record: Any = {}
    if study is not None and study.front:
        prepare_workers()  # PyTorch loads there while it loads here
        from pipeline.search.finalist_runs import compare_finalists
        from pipeline.search.plans import PlannedSearch

        planned = read_record(PlannedSearch, workspace.plans / "search" / f"{entry}.json")
        found = compare_finalists(workspace, study, planned.plan, planned.finalists)
        if found.lost:
            raise RunsFailedError(f"{found.lost} trainings of the finalists of {entry} were lost; run it again")
        record = to_json(found)
    write_json(workspace.results / "finalists" / f"{entry}.json", record)


if __name__ == "__main__":
    run_stage(f"finalists-{sys.argv[1]}", current_workspace().locks, lambda: main(sys.argv[1]))
