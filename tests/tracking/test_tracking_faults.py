import contextlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from processes import LONGEST_SECONDS, exit_codes, fresh_processes
from tracking_runs import (
    EPOCHS,
    HISTORY,
    NOLOAD,
    PARENT,
    SEED_0,
    empty_store,
    end,
    fill,
    network_record,
    refuse,
    register,
    show_network,
    shown,
    statuses,
)

from pipeline.evidence.store import RunStore
from pipeline.tracking import store
from pipeline.tracking.client import MlflowStore
from pipeline.tracking.content import Status
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.replay import ReplaySummary, replay

pytestmark = pytest.mark.filterwarnings(NOLOAD)


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return empty_store(tmp_path / "mlruns")


@pytest.fixture
def fresh_folder(tmp_path: Path) -> Path:
    return tmp_path / "mlruns"


def under_a_file(folder: Path) -> None:
    folder.parent.joinpath("mlruns").write_text("a regular file")


def corrupt(folder: Path) -> None:
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(b"this is no database" * 100)


def of_another_schema(folder: Path) -> None:
    folder.mkdir()
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('optuna')")
        connection.commit()


@pytest.mark.parametrize("spoil", [under_a_file, corrupt, of_another_schema])
def test_a_store_that_cannot_be_opened_warns_once_and_stops_nothing(
    spoil: Callable[[Path], None], runs: RunStore, fresh_folder: Path
) -> None:
    spoil(fresh_folder)
    told: list[str] = []
    with Mirror.open(fresh_folder, told.append) as mirror:
        run, header = register(runs)
        mirror.started(header)
        mirror.epochs(header, HISTORY)
        mirror.finished(end(run))
        show_network(mirror, network_record())
    assert len(told) == 1
    assert str(fresh_folder) in told[0] and "convstudy replay" in told[0] and "\n" not in told[0]


def without_a_table(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("DROP TABLE metrics")
        connection.commit()


def without_a_file(folder: Path) -> None:
    (folder / "mlflow.db").unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(without_a_table, "no such table: metrics"), (without_a_file, "attempt to write a readonly database")],
)
def test_a_store_that_breaks_later_warns_once_and_stops_nothing(
    spoil: Callable[[Path], None], reason: str, runs: RunStore, folder: Path
) -> None:
    told: list[str] = []
    run, header = register(runs)
    with Mirror.open(folder, told.append) as mirror:
        mirror.started(header)
        spoil(folder)
        mirror.epochs(header, HISTORY)
        mirror.finished(end(run))
    assert len(told) == 1 and str(folder) in told[0] and reason in told[0] and "convstudy replay" in told[0]


def test_a_store_that_another_process_keeps_locked_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tracking.store._LOCK_SECONDS", 0.1)
    told: list[str] = []
    with FileLock(folder / "mlflow.lock"):
        Mirror.open(folder, told.append).close()
    assert len(told) == 1 and "mlflow.lock" in told[0]


def mirror_one_run(root: Path, seed: int, start: Barrier) -> None:
    store._LOCK_SECONDS = int(LONGEST_SECONDS)  # making a store takes more than a minute on a loaded machine
    run, header = register(RunStore(root / f"runs-{seed}"), seed)
    start.wait()
    with Mirror.open(root / "mlruns", refuse) as mirror:
        mirror.started(header)
        mirror.finished(end(run))


def test_four_processes_open_a_fresh_store_at_once(tmp_path: Path) -> None:
    for root in (tmp_path / "first", tmp_path / "second"):
        start = fresh_processes().Barrier(4)
        four = [fresh_processes().Process(target=mirror_one_run, args=(root, seed, start)) for seed in range(4)]
        assert exit_codes(*four) == [0] * 4
        assert statuses(root / "mlruns") == {"resnet18": "FINISHED"} | {
            f"resnet18, seed {seed}": "FINISHED" for seed in range(4)
        }


def test_a_network_is_finished_when_its_last_run_ends_while_another_driver_closes(
    runs: RunStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drivers = [(Mirror.open(folder, refuse), *register(runs, seed)) for seed in range(2)]
    for mirror, _, header in drivers:
        mirror.started(header)
    (closing_driver, run, _), (last_driver, last_run, _) = drivers
    closing_driver.finished(end(run))
    unlocked_end = MlflowStore.end

    def end_last_run_first(mlflow: MlflowStore, run_id: str, status: Status, end_ms: int) -> None:
        if status == "KILLED":
            with contextlib.suppress(Timeout), FileLock(folder / "mlflow.lock", timeout=0) as lock:
                lock.release()
                last_driver.finished(end(last_run))
                last_driver.close()
        unlocked_end(mlflow, run_id, status, end_ms)

    monkeypatch.setattr(MlflowStore, "end", end_last_run_first)
    closing_driver.close()
    last_driver.finished(end(last_run))
    last_driver.close()
    assert shown(folder)[PARENT]["status"] == "FINISHED"


def die_after_four_epochs(root: Path) -> None:
    _, header = register(RunStore(root / "runs"))
    mirror = Mirror.open(root / "mlruns", refuse)
    mirror.started(header)
    mirror.epochs(header, HISTORY[:4])
    os._exit(9)


def test_a_restarted_driver_continues_a_run_without_doubles(tmp_path: Path, runs: RunStore, folder: Path) -> None:
    assert exit_codes(fresh_processes().Process(target=die_after_four_epochs, args=(tmp_path,))) == [9]
    assert set(statuses(folder).values()) == {"RUNNING"}
    run, header = register(runs)
    with Mirror.open(folder, refuse) as mirror:
        mirror.started(header)
        mirror.epochs(header, HISTORY[:3])
        mirror.epochs(header, HISTORY[:7])
        mirror.epochs(header, HISTORY)
        mirror.finished(end(run))
    steps = [step for key, step, _ in shown(folder)[SEED_0]["points"] if key == "train_loss"]
    assert steps == list(range(1, EPOCHS + 1))
    assert set(statuses(folder).values()) == {"FINISHED"}


def test_a_dead_drivers_runs_are_killed_by_replay_unless_a_live_process_trains_them(
    tmp_path: Path, runs: RunStore, folder: Path
) -> None:
    assert exit_codes(fresh_processes().Process(target=die_after_four_epochs, args=(tmp_path,))) == [9]
    run, _ = register(runs)
    with FileLock(run.lock):
        assert replay(runs, folder, (), refuse).killed == 0
    assert set(statuses(folder).values()) == {"RUNNING"}
    assert replay(runs, folder, (), refuse).killed == 1
    assert set(statuses(folder).values()) == {"KILLED"}

    end(run)
    assert replay(runs, folder, (), refuse).updated == 1
    assert set(statuses(folder).values()) == {"FINISHED"}
    assert [step for key, step, _ in shown(folder)[SEED_0]["points"] if key == "epoch"] == list(range(1, EPOCHS + 1))


def replay_six_runs(root: Path) -> None:
    assert replay(RunStore(root / "runs"), root / "mlruns", (), refuse) == ReplaySummary(6, 0, 0, 0, 0, 0, 0)


def test_a_deleted_database_is_rebuilt_by_replay(tmp_path: Path, runs: RunStore, fresh_folder: Path) -> None:
    fill(runs)
    contents = []
    for _ in range(2):
        assert exit_codes(fresh_processes().Process(target=replay_six_runs, args=(tmp_path,))) == [0]
        contents.append(shown(fresh_folder))
        (fresh_folder / "mlflow.db").unlink()
    assert contents[0] == contents[1]
