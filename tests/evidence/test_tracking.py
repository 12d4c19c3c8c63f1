import math
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Literal

import pytest
from filelock import FileLock

from pipeline.evidence.records import (
    DataSummary,
    Epoch,
    GroupRecord,
    Interval,
    Measurement,
    Membership,
    NetworkRecord,
    Result,
    RunHeader,
    RunSpec,
    TestScore,
)
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.evidence.tracking import Mirror, code_commit
from pipeline.evidence.tracking_replay import ReplaySummary, replay
from pipeline.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

EPOCHS = 10


def epoch(number: int, **changes: float) -> Epoch:
    values = {
        "train_loss": 2.0 / number,
        "validation_loss": 2.1 / number,
        "validation_error_percent": 90.0 / number,
        "learning_rate": 0.1,
        "gradient_norm": 1.5,
    }
    return Epoch(number, **{**values, **changes})


HISTORY = tuple(epoch(number) for number in range(1, EPOCHS + 1))


def register(
    runs: RunStore,
    seed: int = 0,
    parent: str = "resnet18",
    experiment: str = "residual",
    role: Literal["learning-rate", "seed", "single"] = "seed",
    config: dict[str, Any] | None = None,
) -> tuple[RunFolder, RunHeader]:
    settings = config or {"depth": 18, "stages": {"width": [64, 128]}}
    spec = RunSpec("resnet", settings, 1, 10, 28, Recipe(epochs=EPOCHS), "f" * 64, seed)
    folder = runs.register(spec, parent, "fashion-mnist", Membership(experiment, parent, role))
    header = folder.header()
    assert header is not None
    return folder, header


def end(
    folder: RunFolder, history: Sequence[Epoch] = HISTORY, reason: str | None = None, score: float | None = 8.5
) -> RunFolder:
    state: Literal["complete", "failed"] = "failed" if reason else "complete"
    folder.write(Result("result/1", folder.run, state, reason, tuple(history), None if reason else "a" * 64))
    folder.write(
        Measurement(
            "measurement/1",
            folder.run,
            images_per_second=tuple(1000.0 + item.epoch for item in history),
            train_seconds=50.0,
            evaluation_seconds=5.0,
            wall_seconds=60.0,
            peak_memory_bytes=3 * 10**8,
            peak_memory_kind="resident set",
            threads=1,
            attempts=1,
            finished_at="2026-01-02T03:04:05+00:00",
            hardware={"cpu": "test"},
            versions={"torch": "2.14"},
        )
    )
    if score is not None and not reason:
        folder.write(TestScore("test/1", folder.run, score, 0.3, 10_000, "t" * 64, "a" * 64))
    return folder


def network_record(name: str = "resnet18", seeds: int = 2) -> NetworkRecord:
    return NetworkRecord(
        name,
        "resnet",
        {"depth": 18},
        28,
        params=11_000_000,
        macs=37_000_000,
        activations=500_000,
        rates=(),
        recipe=Recipe(epochs=EPOCHS),
        runs=(),
        validation_error_percent=Interval(9.0, (8.0, 10.0), seeds),
        test_error_percent=Interval(8.5, None, seeds),
        train_seconds=None,
        flags=("at chance level",),
    )


def group_record(*networks: NetworkRecord) -> GroupRecord:
    data = DataSummary("fashion-mnist", "here", "f" * 64, (1, 28, 28), ("a", "b"), {"train": 10}, {})
    return GroupRecord("group/1", "residual", "smoke", data, networks)


def refuse(warning: str) -> None:
    raise AssertionError(warning)


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store made once: MLflow takes a second and more to make one."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.warns(DeprecationWarning, match="noload"):
        Mirror.open(folder, refuse).close()
    return folder


@pytest.fixture
def fresh_folder(tmp_path: Path) -> Path:
    return tmp_path / "mlruns"


@pytest.fixture
def folder(empty_store: Path, fresh_folder: Path) -> Path:
    fresh_folder.mkdir()
    shutil.copy(empty_store / "mlflow.db", fresh_folder)
    return fresh_folder


@pytest.fixture(scope="module")
def processes(empty_store: Path) -> ForkServerContext:
    """Processes that share nothing but the imports, which take seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlflow", "pipeline.evidence.tracking_replay"])
    return context


def exit_codes(*processes: BaseProcess) -> list[int | None]:
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


@pytest.fixture
def mirror(folder: Path) -> Iterator[Mirror]:
    with Mirror.open(folder, refuse, commit="c" * 40) as opened:
        yield opened


def query(folder: Path, sql: str, *values: object) -> list[Any]:
    """What the database holds, read without MLflow."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return connection.execute(sql, values).fetchall()


def shown(folder: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    """MLflow's runs by (experiment, parent, name of the run), each with its status and content."""
    content: dict[tuple[str, str, str], dict[str, Any]] = {}
    rows = query(folder, "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active'")
    for run_id, name, status in rows:
        tags = dict(query(folder, "SELECT key, value FROM tags WHERE run_uuid = ?", run_id))
        key = (tags["convstudy.experiment"], tags["convstudy.parent"], name)
        assert key not in content, f"{key} is there twice"
        content[key] = {
            "status": status,
            "tags": {tag: text for tag, text in tags.items() if tag != "mlflow.parentRunId"},
            "parent": query(folder, "SELECT name FROM runs WHERE run_uuid = ?", tags.get("mlflow.parentRunId", "")),
            "params": dict(query(folder, "SELECT key, value FROM params WHERE run_uuid = ?", run_id)),
            "points": sorted(query(folder, "SELECT key, step, value FROM metrics WHERE run_uuid = ?", run_id)),
            "last": dict(query(folder, "SELECT key, value FROM latest_metrics WHERE run_uuid = ?", run_id)),
            "data": query(
                folder,
                "SELECT d.name, d.digest FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
                "WHERE i.destination_id = ?",
                run_id,
            ),
        }
    return content


def statuses(folder: Path) -> dict[str, str]:
    return {name: content["status"] for (_, _, name), content in shown(folder).items()}


SEED_0 = ("residual", "resnet18", "resnet18, seed 0")
PARENT = ("residual", "resnet18", "resnet18")


def test_a_growing_history_is_logged_epoch_by_epoch_and_once(mirror: Mirror, runs: RunStore, folder: Path) -> None:
    run, header = register(runs)
    mirror.started(header)
    for length in (1, 2, 2, 5, EPOCHS):
        mirror.epochs(header, HISTORY[:length])
        live = shown(folder)[SEED_0]
        assert live["status"] == "RUNNING"
        assert live["last"]["train_loss"] == HISTORY[length - 1].train_loss
    mirror.finished(end(run))

    final = shown(folder)[SEED_0]
    assert final["status"] == "FINISHED"
    assert [row for row in final["points"] if row[0] == "validation_error_percent"] == [
        ("validation_error_percent", item.epoch, item.validation_error_percent) for item in HISTORY
    ]
    assert [step for key, step, _ in final["points"] if key == "images_per_second"] == list(range(1, EPOCHS + 1))
    assert final["last"]["test_error_percent"] == 8.5
    assert final["last"]["train_seconds"] == 50.0
    assert final["params"]["config.stages.width"] == "[64,128]"
    assert final["params"]["recipe.batch_size"] == "128"
    assert final["params"]["seed"] == "0"
    assert final["tags"]["convstudy.run"] == header.run
    assert final["tags"]["mlflow.source.git.commit"] == "c" * 40
    assert final["data"] == [("fashion-mnist", "f" * 36)]
    assert final["parent"] == [("resnet18",)]


def test_an_experiment_per_stage_holds_a_parent_per_network_and_a_child_per_membership(
    mirror: Mirror, runs: RunStore, folder: Path
) -> None:
    register(runs)
    run, header = register(runs, experiment="depth")
    register(runs, seed=1, parent="plain18")
    mirror.started(header)
    mirror.finished(end(run))
    assert set(shown(folder)) == {
        PARENT,
        SEED_0,
        ("depth", "resnet18", "resnet18"),
        ("depth", "resnet18", "resnet18, seed 0"),
    }
    names = query(folder, "SELECT name FROM experiments WHERE experiment_id != 0 ORDER BY name")
    assert names == [("convstudy/depth",), ("convstudy/residual",)]


def test_statuses_are_truthful_for_children_and_parents(runs: RunStore, folder: Path) -> None:
    with Mirror.open(folder, refuse) as mirror:
        for seed, parent in enumerate(("good", "bad", "stopped", "abandoned")):
            run, header = register(runs, seed, parent)
            mirror.started(header)
            if parent == "good":
                mirror.finished(end(run))
            elif parent == "bad":
                mirror.finished(end(run, HISTORY[:3], reason="loss is nan at step 70"))
            elif parent == "stopped":
                mirror.interrupted(header)
        run, header = register(runs, 9, "good", role="learning-rate")
        mirror.started(header)
        mirror.finished(end(run, HISTORY[:1], reason="loss is inf at step 7"))
        mirror.network("residual", network_record("good"))
        assert statuses(folder)["good"] == "FINISHED", "a diverged learning rate is no failure of its network"
        assert statuses(folder)["abandoned"] == "RUNNING"
    assert statuses(folder) == {
        "good": "FINISHED",
        "good, seed 0": "FINISHED",
        "good, learning rate 0.1": "FAILED",
        "bad": "FAILED",
        "bad, seed 1": "FAILED",
        "stopped": "KILLED",
        "stopped, seed 2": "KILLED",
        "abandoned": "KILLED",
        "abandoned, seed 3": "KILLED",
    }
    assert shown(folder)["residual", "bad", "bad, seed 1"]["tags"]["convstudy.reason"] == "loss is nan at step 70"


def test_runs_end_killed_when_the_driver_fails(runs: RunStore, folder: Path) -> None:
    _, header = register(runs)
    with pytest.raises(KeyboardInterrupt), Mirror.open(folder, refuse) as mirror:
        mirror.started(header)
        raise KeyboardInterrupt
    assert set(statuses(folder).values()) == {"KILLED"}


def die_after_four_epochs(root: Path) -> None:
    _, header = register(RunStore(root / "runs"))
    mirror = Mirror.open(root / "mlruns", refuse)
    mirror.started(header)
    mirror.epochs(header, HISTORY[:4])
    os._exit(9)


def test_a_restarted_driver_continues_a_run_without_doubles(
    tmp_path: Path, runs: RunStore, folder: Path, processes: ForkServerContext
) -> None:
    assert exit_codes(processes.Process(target=die_after_four_epochs, args=(tmp_path,))) == [9]
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
    tmp_path: Path, runs: RunStore, folder: Path, processes: ForkServerContext
) -> None:
    assert exit_codes(processes.Process(target=die_after_four_epochs, args=(tmp_path,))) == [9]
    run, _ = register(runs)
    with FileLock(run.lock):
        assert replay(runs, folder).killed == 0
    assert set(statuses(folder).values()) == {"RUNNING"}
    assert replay(runs, folder).killed == 1
    assert set(statuses(folder).values()) == {"KILLED"}

    end(run)
    assert replay(runs, folder).updated == 1
    assert set(statuses(folder).values()) == {"FINISHED"}
    assert [step for key, step, _ in shown(folder)[SEED_0]["points"] if key == "epoch"] == list(range(1, EPOCHS + 1))


def fill(runs: RunStore) -> None:
    """Runs of every kind that ended, one of them a member of two experiments."""
    register(runs, experiment="depth")
    for seed in range(3):
        end(register(runs, seed)[0])
    end(register(runs, 3, role="learning-rate")[0], HISTORY[:2], reason="loss is nan at step 9", score=None)
    end(register(runs, 0, "plain18", role="single")[0], score=None)


def mirror_live(runs: RunStore, folder: Path) -> None:
    with Mirror.open(folder, refuse) as mirror:
        for run in runs:
            header, result = run.header(), run.result()
            assert header is not None and result is not None
            mirror.started(header)
            mirror.epochs(header, result.history[:1])
            mirror.finished(run)
        mirror.network("residual", network_record())


def test_replay_into_an_empty_database_gives_what_was_mirrored_live(runs: RunStore, folder: Path) -> None:
    fill(runs)
    mirror_live(runs, folder)
    rebuilt = folder.with_name("rebuilt")
    summary = replay(runs, rebuilt, [group_record(network_record())], refuse)
    assert summary == ReplaySummary(6, 0, 0, 0, 0, 0, 0)
    assert shown(rebuilt) == shown(folder)
    assert shown(rebuilt)[PARENT]["last"]["test_error_percent"] == 8.5
    assert shown(rebuilt)[PARENT]["last"]["macs"] == 37_000_000


def test_replay_after_live_mirroring_or_replay_changes_nothing(runs: RunStore, folder: Path) -> None:
    fill(runs)
    mirror_live(runs, folder)
    before = query(folder, "SELECT * FROM runs"), shown(folder)
    for _ in range(2):
        assert replay(runs, folder, [group_record(network_record())], refuse) == ReplaySummary(0, 0, 6, 0, 0, 0, 0)
    assert (query(folder, "SELECT * FROM runs"), shown(folder)) == before


def replay_six_runs(root: Path) -> None:
    assert replay(RunStore(root / "runs"), root / "mlruns") == ReplaySummary(6, 0, 0, 0, 0, 0, 0)


def test_a_deleted_database_is_rebuilt_by_replay(
    tmp_path: Path, runs: RunStore, fresh_folder: Path, processes: ForkServerContext
) -> None:
    fill(runs)
    contents = []
    for _ in range(2):
        assert exit_codes(processes.Process(target=replay_six_runs, args=(tmp_path,))) == [0]
        contents.append(shown(fresh_folder))
        (fresh_folder / "mlflow.db").unlink()
    assert contents[0] == contents[1]


def test_replay_replaces_a_run_that_says_something_else_and_removes_doubles(runs: RunStore, folder: Path) -> None:
    fill(runs)
    replay(runs, folder)
    expected = shown(folder)
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (changed,) = client.search_runs(["1", "2"], "attributes.run_name = 'resnet18, seed 1'")
    client.log_metric(changed.info.run_id, "test_error_percent", 1.0, step=EPOCHS)
    twin = client.create_run(changed.info.experiment_id, tags=changed.data.tags)
    foreign = client.create_run(changed.info.experiment_id, tags={"convstudy.key": "0" * 32})
    summary = replay(runs, folder)
    assert (summary.created, summary.unchanged, summary.doubles, summary.unknown) == (1, 5, 1, 1)
    client.delete_run(foreign.info.run_id)
    assert shown(folder) == expected
    assert client.get_run(twin.info.run_id).info.lifecycle_stage == "deleted"


def test_replay_tells_of_unreadable_runs_and_mirrors_the_rest(runs: RunStore, folder: Path) -> None:
    fill(runs)
    first, second, *_ = runs
    (first.path / "run.json").write_text("{")
    (second.path / "result.json").write_text("{")
    told: list[str] = []
    assert replay(runs, folder, tell=told.append).unreadable >= 2
    assert any(str(first.path) in line for line in told) and any(str(second.path) in line for line in told)
    assert "FINISHED" in statuses(folder).values()


def test_a_deleted_experiment_is_restored(runs: RunStore, folder: Path) -> None:
    fill(runs)
    replay(runs, folder)
    expected = shown(folder)
    from mlflow import MlflowClient

    MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").delete_experiment("1")
    assert replay(runs, folder).unchanged == 6
    assert shown(folder) == expected


def test_a_later_record_updates_a_network_and_its_figures(runs: RunStore, folder: Path, tmp_path: Path) -> None:
    figure = tmp_path / "curves.png"
    figure.write_bytes(b"png")
    run, _ = register(runs)
    with Mirror.open(folder, refuse) as mirror:
        mirror.finished(end(run))
        mirror.network("residual", network_record(seeds=3), [figure])
        mirror.network("residual", network_record(seeds=5), [figure])
    parent = shown(folder)[PARENT]
    assert parent["last"]["test_error_percent_n"] == 5
    assert parent["last"]["params"] == 11_000_000
    assert parent["tags"]["convstudy.flags"] == "at chance level"
    assert [path.read_bytes() for path in folder.rglob("figures/curves.png")] == [b"png"]


def test_small_weights_are_kept_as_artifacts_and_large_ones_are_not(
    runs: RunStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.evidence.tracking_replay.WEIGHTS_LIMIT_BYTES", 10)
    for seed, content in enumerate((b"small", b"far too large")):
        run, _ = register(runs, seed)
        end(run).weights.write_bytes(content)
    replay(runs, folder)
    assert [path.read_bytes() for path in folder.rglob("weights.safetensors")] == [b"small"]
    assert replay(runs, folder).unchanged == 2


def test_values_that_are_not_finite_are_named_in_a_tag_and_never_stored(
    mirror: Mirror, runs: RunStore, folder: Path
) -> None:
    _, header = register(runs)
    history = [epoch(1), epoch(2, train_loss=math.nan), epoch(3, validation_loss=math.inf, gradient_norm=-math.inf)]
    mirror.started(header)
    mirror.epochs(header, history[:2])
    mirror.epochs(header, history)
    live = shown(folder)[SEED_0]
    assert all(math.isfinite(value) and abs(value) < 1e300 for _, _, value in live["points"])
    assert not query(folder, "SELECT * FROM metrics WHERE is_nan")
    assert live["tags"]["convstudy.not_logged"] == (
        "train_loss is nan at epoch 2; validation_loss is inf at epoch 3; gradient_norm is -inf at epoch 3"
    )
    assert live["last"]["epoch"] == 3


HOSTILE = (
    "<script>alert(1)</script>",
    "'; DROP TABLE runs; -- \" ` \\",
    "two\nlines\x00\x1b[31m",
    "{{7*7}} $(touch x) =cmd()",
    "ü" * 9000,
    "\u202eright to left",
    "",
    "..",
    "a/../b",
)


def test_hostile_names_change_nothing_but_their_own_text(runs: RunStore, folder: Path) -> None:
    for seed, name in enumerate(HOSTILE):
        end(register(runs, seed, name, name, config={name: name, "depth": [name]})[0])
    mirror_live(runs, folder)
    assert len(query(folder, "SELECT * FROM runs")) == 2 * len(HOSTILE) + 1, "and the network of mirror_live"
    assert len(query(folder, "SELECT * FROM experiments")) == len(HOSTILE) + 2, "and MLflow's default one"
    assert replay(runs, folder, tell=refuse).unchanged == len(HOSTILE)
    stored = [name for (name,) in query(folder, "SELECT name FROM runs UNION SELECT name FROM experiments")]
    assert all(name.isprintable() and len(name) < 250 for name in stored)
    assert not Path("x").exists()


def test_names_that_look_alike_after_cleaning_stay_apart(runs: RunStore, folder: Path) -> None:
    for name in ("a b", "a\nb", "a\tb"):
        end(register(runs, parent=name, experiment=name)[0])
    replay(runs, folder)
    assert len(query(folder, "SELECT * FROM experiments WHERE name LIKE 'convstudy/%'")) == 3


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
    began = time.perf_counter()
    with Mirror.open(fresh_folder, told.append) as mirror:
        run, header = register(runs)
        mirror.started(header)
        mirror.epochs(header, HISTORY)
        mirror.finished(end(run))
        mirror.network("residual", network_record())
    assert len(told) == 1
    assert str(fresh_folder) in told[0] and "convstudy replay" in told[0] and "\n" not in told[0]
    assert time.perf_counter() - began < 10


def test_a_store_that_breaks_later_warns_once_and_stops_nothing(runs: RunStore, folder: Path) -> None:
    told: list[str] = []
    run, header = register(runs)
    with Mirror.open(folder, told.append) as mirror:
        mirror.started(header)
        with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
            connection.execute("DROP TABLE metrics")
            connection.commit()
        mirror.epochs(header, HISTORY)
        mirror.finished(end(run))
    assert len(told) == 1 and str(folder) in told[0]
    assert "no such table: metrics" in told[0]


def mirror_one_run(root: Path, seed: int, start: Barrier) -> None:
    run, header = register(RunStore(root / f"runs-{seed}"), seed)
    start.wait()
    with Mirror.open(root / "mlruns", refuse) as mirror:
        mirror.started(header)
        mirror.finished(end(run))


def test_four_processes_open_a_fresh_store_at_once(tmp_path: Path, processes: ForkServerContext) -> None:
    for root in (tmp_path / "first", tmp_path / "second"):
        start = processes.Barrier(4)
        four = [processes.Process(target=mirror_one_run, args=(root, seed, start)) for seed in range(4)]
        assert exit_codes(*four) == [0] * 4
        assert statuses(root / "mlruns") == {"resnet18": "FINISHED"} | {
            f"resnet18, seed {seed}": "FINISHED" for seed in range(4)
        }


def test_importing_the_tracking_modules_does_not_import_mlflow() -> None:
    command = (
        "import sys; import pipeline.evidence.tracking, pipeline.evidence.tracking_replay, "
        "pipeline.evidence.tracking_ui; sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


def test_opening_the_store_changes_one_environment_variable(fresh_folder: Path) -> None:
    before = dict(os.environ)
    Mirror.open(fresh_folder, refuse).close()
    changed = {key: value for key, value in os.environ.items() if before.get(key) != value}
    assert set(changed) <= {"MLFLOW_DISABLE_TELEMETRY"}
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_code_commit_is_that_of_the_repository_or_none(tmp_path: Path) -> None:
    assert code_commit(tmp_path) is None
    for command in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    commit = code_commit(tmp_path)
    assert commit is not None and len(commit) == 40


def test_a_header_that_gains_a_member_after_its_run_ended_is_shown_there_too(
    mirror: Mirror, runs: RunStore, folder: Path
) -> None:
    run, header = register(runs)
    mirror.started(header)
    mirror.finished(end(run))
    register(runs, experiment="depth")
    mirror.finished(run)
    child = shown(folder)["depth", "resnet18", "resnet18, seed 0"]
    assert child["status"] == "FINISHED" and child["last"]["epoch"] == EPOCHS
    assert "mlflow.source.git.commit" not in child["tags"], "the commit that trained it is not known any more"


def test_changed_results_of_a_run_replace_what_was_shown(runs: RunStore, folder: Path) -> None:
    run, _ = register(runs)
    end(run)
    replay(runs, folder)
    end(run, [replace(item, train_loss=item.train_loss + 1) for item in HISTORY])
    assert replay(runs, folder).created == 1
    assert shown(folder)[SEED_0]["last"]["train_loss"] == HISTORY[-1].train_loss + 1
