"""Stage `finalists`: a search's best trained again and compared; `python -m pipeline.stages.finalists ENTRY`."""

import sys
from typing import Any

from pipeline.errors import RunsFailedError
from pipeline.files import read_json, write_json
from pipeline.process import run_stage
from pipeline.running.workers import prepare_workers
from pipeline.schema import read_record, to_json
from pipeline.workspace import current_workspace


def main(entry: str) -> None:
    """Write reports/results/finalists/<entry>.json, a FinalistsRecord; empty where nothing was searched, or found."""
    workspace = current_workspace()
    study = read_json(workspace.results / "studies" / f"{entry}.json")
    record: Any = {}
    if study and study["front"]:
        prepare_workers()
        from pipeline.search.finalist_runs import compare_finalists
        from pipeline.search.plans import PlannedSearch
        from pipeline.search.summary import trials_of

        planned = read_record(PlannedSearch, workspace.plans / "search" / f"{entry}.json")
        found = compare_finalists(workspace, planned.study, planned.plan, trials_of(study), planned.finalists)
        if found.lost:
            raise RunsFailedError(f"{found.lost} trainings of the finalists of {entry} were lost; run it again")
        record = to_json(found)
    write_json(workspace.results / "finalists" / f"{entry}.json", record)


if __name__ == "__main__":
    run_stage(f"finalists-{sys.argv[1]}", current_workspace().locks, lambda: main(sys.argv[1]))
