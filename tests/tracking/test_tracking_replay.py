import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tracking_runs import (
    EPOCHS,
    HISTORY,
    NOLOAD,
    PARENT,
    SEED_0,
    empty_store,
    end,
    fill,
    group_record,
    keep_weights,
    mirror_live,
    network_record,
    query,
    record_of,
    refuse,
    register,
    shown,
    statuses,
)

from pipeline.evidence.store import RunStore
from pipeline.tracking.replay import ReplaySummary, replay

pytestmark = pytest.mark.filterwarnings(NOLOAD)


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return empty_store(tmp_path / "mlruns")


def test_replay_into_an_empty_database_gives_what_was_mirrored_live(runs: RunStore, folder: Path) -> None:
    fill(runs)
    mirror_live(runs, folder)
    rebuilt = folder.with_name("rebuilt")
    summary = replay(runs, rebuilt, [group_record(record_of(runs))], refuse)
    assert summary == ReplaySummary(6, 0, 0, 0, 0, 0, 0)
    assert shown(rebuilt) == shown(folder)
    assert shown(rebuilt)[PARENT]["last"]["test_error_percent"] == 8.5
    assert shown(rebuilt)[PARENT]["last"]["macs"] == 37_000_000


def deleted(folder: Path) -> None:
    shutil.rmtree(folder)


def replaced(folder: Path) -> None:
    """By another process, an empty one in place of that which this process has open."""
    shutil.rmtree(folder)
    empty_store(folder)


@pytest.mark.parametrize("lose", [deleted, replaced])
def test_a_database_that_is_lost_while_this_process_has_it_open_is_rebuilt(
    lose: Callable[[Path], None], runs: RunStore, folder: Path
) -> None:
    fill(runs)
    mirror_live(runs, folder)
    before = shown(folder)
    lose(folder)
    assert replay(runs, folder, [group_record(record_of(runs))], refuse) == ReplaySummary(6, 0, 0, 0, 0, 0, 0)
    assert shown(folder) == before


def test_replay_after_live_mirroring_or_replay_changes_nothing(runs: RunStore, folder: Path) -> None:
    fill(runs)
    mirror_live(runs, folder)
    before = query(folder, "SELECT * FROM runs"), shown(folder)
    for _ in range(2):
        assert replay(runs, folder, [group_record(record_of(runs))], refuse) == ReplaySummary(0, 0, 6, 0, 0, 0, 0)
    assert (query(folder, "SELECT * FROM runs"), shown(folder)) == before


def test_replay_replaces_a_run_that_says_something_else_and_removes_doubles(runs: RunStore, folder: Path) -> None:
    fill(runs)
    replay(runs, folder, (), refuse)
    expected = shown(folder)
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (changed,) = client.search_runs(["1", "2"], "attributes.run_name = 'resnet18, seed 1'")
    client.log_metric(changed.info.run_id, "test_error_percent", 1.0, step=EPOCHS)
    twin = client.create_run(changed.info.experiment_id, tags=changed.data.tags)
    foreign = client.create_run(changed.info.experiment_id, tags={"convstudy.key": "0" * 32})
    summary = replay(runs, folder, (), refuse)
    assert (summary.created, summary.unchanged, summary.doubles, summary.unknown) == (1, 5, 1, 1)
    client.delete_run(foreign.info.run_id)
    assert shown(folder) == expected
    assert client.get_run(twin.info.run_id).info.lifecycle_stage == "deleted"


def test_changed_results_of_a_run_replace_what_was_shown(runs: RunStore, folder: Path) -> None:
    run, _ = register(runs)
    end(run)
    replay(runs, folder, (), refuse)
    end(run, [replace(item, train_loss=item.train_loss + 1) for item in HISTORY])
    assert replay(runs, folder, (), refuse).created == 1
    assert shown(folder)[SEED_0]["last"]["train_loss"] == HISTORY[-1].train_loss + 1


def test_a_network_gets_the_record_that_rests_on_most_of_its_runs(runs: RunStore, folder: Path) -> None:
    fill(runs)
    hashes = [run.run for run in runs]
    records = [network_record(seeds=5, runs=hashes), network_record(seeds=2, runs=hashes[:1])]
    records += [network_record(seeds=9), network_record("other", runs=hashes)]
    replay(runs, folder, [group_record(*records)], refuse)
    assert shown(folder)[PARENT]["last"]["test_error_percent_n"] == 5


def test_replay_tells_of_unreadable_runs_and_mirrors_the_rest(runs: RunStore, folder: Path) -> None:
    fill(runs)
    first, second, *_ = runs
    (first.path / "run.json").write_text("{")
    (second.path / "result.json").write_text("{")
    told: list[str] = []
    assert replay(runs, folder, (), told.append).unreadable >= 2
    assert any(str(first.path) in line for line in told) and any(str(second.path) in line for line in told)
    assert "FINISHED" in statuses(folder).values()


def test_a_deleted_experiment_is_restored(runs: RunStore, folder: Path) -> None:
    fill(runs)
    replay(runs, folder, (), refuse)
    expected = shown(folder)
    from mlflow import MlflowClient

    MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").delete_experiment("1")
    assert replay(runs, folder, (), refuse).unchanged == 6
    assert shown(folder) == expected


def test_kept_weights_become_models_that_take_no_space(runs: RunStore, folder: Path) -> None:
    with_weights, without, former = (end(register(runs, seed)[0]) for seed in range(3))
    kept = keep_weights(with_weights)
    safetensors.torch.save_file({"weight": torch.zeros(3)}, former.weights)  # as earlier versions wrote them
    replay(runs, folder, (), refuse)
    (linked,) = folder.rglob("weights.safetensors")
    assert linked.samefile(kept)
    assert query(folder, "SELECT name, status FROM logged_models") == [("model", 2)]
    assert replay(runs, folder, (), refuse).unchanged == 3
    end(with_weights, [replace(item, train_loss=item.train_loss + 1) for item in HISTORY])
    replay(runs, folder, (), refuse)
    states = query(folder, "SELECT lifecycle_stage FROM logged_models ORDER BY creation_timestamp_ms")
    assert states == [("deleted",), ("active",)], "the model goes with its run"
    assert not without.weights.exists()


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
    assert replay(runs, folder, (), refuse).unchanged == len(HOSTILE)
    stored = [name for (name,) in query(folder, "SELECT name FROM runs UNION SELECT name FROM experiments")]
    assert all(name.isprintable() and len(name) < 250 for name in stored)
    assert not Path("x").exists()


def test_names_that_look_alike_after_cleaning_stay_apart(runs: RunStore, folder: Path) -> None:
    for name in ("a b", "a\nb", "a\tb"):
        end(register(runs, parent=name, experiment=name)[0])
    replay(runs, folder, (), refuse)
    assert len(query(folder, "SELECT * FROM experiments WHERE name LIKE 'convstudy/%'")) == 3
