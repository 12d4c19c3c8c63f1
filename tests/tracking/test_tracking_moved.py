"""A workspace that was moved: MLflow's files are written and found at its new place only."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from processes import exit_codes, fresh_processes
from tracking_runs import NOLOAD, empty_store, end, keep_weights, network_record, query, refuse, register, show_network

from pipeline.evidence.store import RunFolder, RunStore
from pipeline.reporting.doctor import examine
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.replay import ReplaySummary, replay
from pipeline.tracking.store import open_store
from pipeline.workspace import Workspace

pytestmark = pytest.mark.filterwarnings(NOLOAD)


@pytest.fixture
def moved(tmp_path: Path) -> Workspace:
    """A workspace with a run, its weights and a figure, moved since; another process filled it, and is gone."""
    old = Workspace(tmp_path / "old place")
    old.root.mkdir()
    empty_store(old.mlflow)
    assert exit_codes(fresh_processes().Process(target=_mirror, args=(old, 0))) == [0]
    return Workspace(old.root.rename(tmp_path / "new place, 100 GB"))


def test_new_files_are_written_at_the_new_place_and_old_ones_are_found_there(moved: Workspace, tmp_path: Path) -> None:
    _mirror(moved, 1)
    assert _artifacts(moved) == [
        ("resnet18", "figures"),
    ]
    assert _models(moved) == 2
    assert list(tmp_path.iterdir()) == [moved.root]
    assert _places(moved) == {f"file://{tmp_path}/new%20place%2C%20100%20GB/mlruns/artifacts"}


def test_a_replay_finds_all_files_and_changes_nothing(moved: Workspace, tmp_path: Path) -> None:
    before = sorted(moved.root.rglob("*"))
    assert replay(RunStore(moved.runs), moved.mlflow, (), refuse) == ReplaySummary(0, 0, 1, 0, 0, 0, 0)
    assert sorted(moved.root.rglob("*")) == sorted({*before, moved.mlflow / "mlflow.lock"})
    assert list(tmp_path.iterdir()) == [moved.root]


def test_a_replay_writes_files_again_that_do_not_lie_in_the_workspace(moved: Workspace) -> None:
    (kept,) = moved.runs.rglob("weights.safetensors")
    (lost,) = moved.mlflow.rglob("weights.safetensors")
    shutil.rmtree(lost.parents[1])
    assert replay(RunStore(moved.runs), moved.mlflow, (), refuse).updated == 1
    (written,) = moved.mlflow.rglob("weights.safetensors")
    assert written != lost and written.samefile(kept)


def test_doctor_says_that_a_store_was_moved_until_it_is_corrected(moved: Workspace, tmp_path: Path) -> None:
    said = examine(moved)["stores"]["mlflow"]
    assert said.startswith(f"moved from file://{tmp_path}/old%20place/mlruns/artifacts: 2 runs")
    replay(RunStore(moved.runs), moved.mlflow, (), refuse)
    assert examine(moved)["stores"]["mlflow"].startswith("good: 2 runs")


def test_places_outside_the_workspace_that_a_user_chose_stay(moved: Workspace) -> None:
    with closing(sqlite3.connect(moved.mlflow / "mlflow.db", isolation_level=None)) as database:
        database.execute(
            "INSERT INTO experiments (name, artifact_location, lifecycle_stage, workspace) "
            "VALUES ('mine', 's3://bucket/mine', 'active', 'default')"
        )
    open_store(moved.mlflow)
    assert query(moved.mlflow, "SELECT artifact_location FROM experiments WHERE name = 'mine'") == [
        ("s3://bucket/mine",)
    ]


def _mirror(workspace: Workspace, seed: int) -> None:
    """Log a finished run with weights, and its network with a figure."""
    figure = workspace.root / "curves.svg"
    figure.write_text("<svg/>")
    run = _finished(RunStore(workspace.runs), seed)
    header = run.header()
    assert header is not None
    with Mirror.open(workspace.mlflow, refuse) as mirror:
        mirror.started(header)
        mirror.finished(run)
        show_network(mirror, network_record(runs=[run.run]), [figure])


def _finished(runs: RunStore, seed: int) -> RunFolder:
    run = end(register(runs, seed)[0])
    keep_weights(run)
    return run


def _artifacts(workspace: Workspace) -> list[tuple[str, str]]:
    """(run, file) of all artifacts, as MLflow finds them."""
    store = open_store(workspace.mlflow)
    return sorted(
        (run.info.run_name, Path(store.client.download_artifacts(run.info.run_id, item.path)).name)
        for experiment_id in store.experiments()
        for run in store.runs(experiment_id)
        for item in store.client.list_artifacts(run.info.run_id)
    )


def _models(workspace: Workspace) -> int:
    """How many models MLflow finds in the workspace."""
    store = open_store(workspace.mlflow)
    models = store.client.search_logged_models(store.experiments())
    return sum(
        store.holds_model(model.model_id) and str(workspace.root).replace(" ", "%20")[:20] in model.artifact_location
        for model in models
    )


def _places(workspace: Workspace) -> set[str]:
    """Where the experiments and runs of the database have their files, without what tells them apart."""
    places = query(
        workspace.mlflow, "SELECT artifact_location || '/' FROM experiments UNION SELECT artifact_uri FROM runs"
    )
    return {place[: place.index("/artifacts/")] + "/artifacts" for (place,) in places}
