import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from report_records import group, network, nine_networks, nine_profiles, profile, write_results

from pipeline.errors import StorageError, UsageError
from pipeline.reporting.mlflow_pages import show_report
from pipeline.reporting.rebuild import rebuild_mlflow
from pipeline.reporting.report import write_report
from pipeline.stages.report import main
from pipeline.tracking.store import open_store
from pipeline.workspace import Workspace

WRITTEN = {
    "report.html",
    "REPORT.md",
    "metrics.json",
    "networks.csv",
    "curves.csv",
    "figures/error-against-macs.png",
    "figures/error-against-params.png",
    "figures/error-against-train-seconds.png",
    "figures/learning-curves-error.png",
    "figures/learning-curves-loss.png",
}


def files_of(results: Path) -> dict[str, bytes]:
    inputs = ("runs", "profiles")
    files = (path for path in results.rglob("*") if path.is_file())
    return {
        path.relative_to(results).as_posix(): path.read_bytes()
        for path in files
        if path.relative_to(results).parts[0] not in inputs
    }


def test_a_report_of_a_study_is_written_whole(tmp_path: Path) -> None:
    results = write_results(tmp_path, (nine_networks(),), nine_profiles())
    assert write_report(results) == results / "report.html"
    first = files_of(results)
    assert set(first) == WRITTEN
    assert len(first["report.html"]) < 1_500_000


def test_another_process_with_another_hash_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    groups = (group((network("one"), network("two", family="new", error=8))), group((network("b", "vgg"),), "b"))
    results = write_results(tmp_path, groups, (profile("one"),))
    write_report(results)
    first = files_of(results)
    command = [sys.executable, "-m", "pipeline.stages.report", str(results)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert files_of(results) == first


def test_figures_named_in_the_markdown_are_there(tmp_path: Path) -> None:
    results = write_results(tmp_path, (group((network(),)),), ())
    write_report(results)
    text = (results / "REPORT.md").read_text()
    named = {part.split(")")[0] for part in text.split("](")[1:]}
    assert named == {name for name in WRITTEN if name.startswith("figures/")}
    assert all((results / name).is_file() for name in named)


def test_the_stage_prints_where_the_report_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = write_results(tmp_path / "reports" / "results", (group((network(),)),), ())
    monkeypatch.setenv("CONVSTUDY_HOME", str(tmp_path))
    main([])
    where, found = capsys.readouterr().out.splitlines()
    assert where == str(results / "report.html") and found.startswith("found: resnet-small has the lowest test error")


def test_the_report_is_one_run_of_mlflow_and_replay_shows_it_again(study: Workspace) -> None:
    write_results(study.results, (group((network(),)),), ())
    write_report(study.results)
    for _ in range(2):
        show_report(study, print)
    (run,) = reports_in(study)
    names = {artifact.path for artifact in open_store(study.mlflow).client.list_artifacts(run.info.run_id)}
    assert {"report.html", "REPORT.md", "metrics.json", "figures"} <= names
    assert run.info.status == "FINISHED" and run.data.metrics["claims"] == 0
    shutil.rmtree(study.mlflow)
    rebuild_mlflow(study, print)
    assert len(reports_in(study)) == 1


def reports_in(workspace: Workspace) -> list[Any]:
    store = open_store(workspace.mlflow)
    return list(store.client.search_runs([store.experiment("report")]))


def test_nothing_to_report_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing to report: .* has no runs/\*\.json and no profiles/\*\.json"):
        write_report(tmp_path)


def test_a_torn_record_is_named_and_leaves_the_last_report_as_it_was(tmp_path: Path) -> None:
    results = write_results(tmp_path, (group((network(),)),), ())
    write_report(results)
    before = files_of(results)
    torn = results / "runs" / "torn.json"
    torn.write_text(json.dumps({"schema": "group/1"}))
    with pytest.raises(StorageError, match=r"torn\.json"):
        write_report(results)
    assert files_of(results) == before
