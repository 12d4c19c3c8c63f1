"""What a stage shows of the whole study: its number, and the time left with that of later stages."""

import io

import pytest
from small_plans import manifest_of, smoke_plan

from pipeline.evidence.store import RunStore
from pipeline.files import write_json
from pipeline.running.display import Display, StudyPart
from pipeline.running.estimate import pending_macs
from pipeline.running.requests import planned_requests
from pipeline.schema import to_json
from pipeline.search.plans import plan_searches
from pipeline.settings import read_settings
from pipeline.stages.progress import stage_progress
from pipeline.workspace import Workspace


def test_the_line_of_a_stage_shows_the_time_left_for_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("pipeline.running.display.time.monotonic", lambda: now[0])
    display = Display("reproduce", 2, io.StringIO(), part=StudyPart("stage 4 of 11", later=3.0))
    display.finished("one of two")
    now[0] += 60
    assert display.summary().startswith("[stage 4 of 11: reproduce] 1/2 done")
    assert display.summary().endswith("1:00 left, about 7:00 for the study")  # 2 minutes in all, then three times that


def test_later_work_is_that_of_the_plans_which_have_neither_runs_nor_records(study: Workspace) -> None:
    manifest = manifest_of(study)
    plan = smoke_plan(study, seeds=(1,))
    write_json(study.plans / "reproduce" / "lenet.json", to_json(plan))
    write_json(study.plans / "experiments" / "longer.json", to_json(smoke_plan(study, seeds=(1, 2, 3))))
    settings = read_settings(study.params_file)
    (search,) = plan_searches(settings, "smoke", manifest, "cpu").values()
    write_json(study.plans / "search" / "lenet.json", to_json(search))

    first, last = stage_progress(study, "reproduce"), stage_progress(study, "experiment")
    assert first.label == "stage 4 of 11"
    requests = planned_requests(plan, manifest, "cpu")
    assert first.works == {"lenet": pending_macs(requests, manifest, RunStore(study.runs))}
    assert last.works["longer"] > first.works["lenet"] and last.later == 0
    searching = stage_progress(study, "search")
    finalists = stage_progress(study, "finalists")
    assert searching.later == sum(finalists.works.values()) + last.works["longer"]
    assert first.later == searching.works["lenet"] + searching.later

    for kind in ("studies", "finalists"):
        write_json(study.results / kind / "lenet.json", {})
    assert stage_progress(study, "reproduce").later == last.works["longer"]
    part = searching.part(["lenet"])
    assert part.later == pytest.approx(searching.later / searching.works["lenet"])
