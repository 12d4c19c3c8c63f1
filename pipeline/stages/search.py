"""Stage `search`: one search of the profile; `python -m pipeline.stages.search ENTRY`."""

import sys
from typing import Any

from pipeline.errors import RunsFailedError
from pipeline.files import read_json, write_json
from pipeline.process import run_stage
from pipeline.running.workers import prepare_workers
from pipeline.schema import read_record, to_json
from pipeline.workspace import current_workspace


def main(entry: str) -> None:
    """Write reports/results/studies/<entry>.json, a study's record; an empty one where the profile searches nothing.

    Trials that failed, for whatever reason, are part of it. Raises RunsFailedError, and writes nothing, where all were
    lost for a passing reason; the next run then begins the study anew, since lost trials are not tried again.
    """
    workspace = current_workspace()
    plan_file = workspace.plans / "search" / f"{entry}.json"
    record: Any = {}
    if read_json(plan_file):
        prepare_workers()  # PyTorch loads there while it loads here
        from pipeline.data.manifest import load_manifest
        from pipeline.evidence.records import PASSING_REASONS
        from pipeline.evidence.study_records import Budget
        from pipeline.search.plans import PlannedSearch
        from pipeline.search.searches import search
        from pipeline.search.storage import storage_url
        from pipeline.search.studies import Studies

        planned = read_record(PlannedSearch, plan_file)
        manifest = load_manifest(workspace.prepared_data / planned.plan.data)
        study = search(workspace, manifest, planned.plan, Budget(trials=planned.trials), name=planned.study)
        if study.trials and all(trial.reason in PASSING_REASONS for trial in study.trials):
            reason = study.trials[0].reason
            with Studies(storage_url(workspace, None), workspace.locks) as studies:
                studies.remove(planned.study)
            raise RunsFailedError(f"all trials of study {planned.study} were lost ({reason}): run it again")
        record = to_json(study)
    write_json(workspace.results / "studies" / f"{entry}.json", record)


if __name__ == "__main__":
    run_stage(f"search-{sys.argv[1]}", current_workspace().locks, lambda: main(sys.argv[1]))
