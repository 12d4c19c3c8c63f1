"""The stage `search` where every trial was lost to the machine."""

import pytest
from table_search import TableExecutor, run_table, table_plan

from pipeline.data.manifest import Manifest
from pipeline.errors import RunsFailedError
from pipeline.evidence.study_records import StudyRecord
from pipeline.files import write_json
from pipeline.running.jobs import Job, Lost
from pipeline.schema import to_json
from pipeline.search.plans import PlannedSearch
from pipeline.search.searches import list_studies, status
from pipeline.settings import FinalistsSettings
from pipeline.stages import search as search_stage
from pipeline.workspace import Workspace


def test_a_stage_whose_trials_were_all_lost_begins_anew(
    study: Workspace, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = table_plan(manifest, "lenet", sampler="random")
    planned = PlannedSearch("planned-search/1", "lost", plan, 3, FinalistsSettings())
    write_json(study.plans / "search" / "lenet.json", to_json(planned))
    study.studies.parent.mkdir()

    def lose(job: Job) -> None:
        raise Lost("worker ended unexpectedly")

    def search(*_: object, **__: object) -> StudyRecord:
        run_table(study.root, manifest, plan, 3, TableExecutor(1, lose), f"sqlite:///{study.studies}", "lost").close()
        return status(study, "lost", None)

    monkeypatch.setattr("pipeline.search.searches.search", search)
    for _ in range(2):
        with pytest.raises(RunsFailedError, match=r"study lost were lost \(worker ended unexpectedly\): run it again"):
            search_stage.main()
        assert list_studies(study, None) == []
    assert not (study.results / "studies" / "lenet.json").exists()
