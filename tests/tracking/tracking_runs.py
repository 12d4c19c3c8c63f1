"""Runs for the tests of MLflow's mirror, and what its database holds of them, read without MLflow."""

import functools
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import torch

from pipeline.data.manifest import DataSummary
from pipeline.evidence.records import (
    Epoch,
    GroupRecord,
    Interval,
    Measurement,
    Membership,
    NetworkRecord,
    Result,
    RunHeader,
    RunSpec,
    SeedRun,
    TestScore,
)
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.models.weights import WeightsInfo, save_weights
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.summaries import network_summary
from pipeline.training.recipe import Recipe

NOLOAD = "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"
"""MLflow 3.17 uses what SQLAlchemy 2.1 deprecates."""

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
    experiment: str = "run",
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


def keep_weights(folder: RunFolder) -> Path:
    """Write weights with the metadata that a training writes; returns the file."""
    header = folder.header()
    assert header is not None
    save_weights(folder.weights, {"weight": torch.zeros(3)}, weights_info_of(header))
    return folder.weights


def weights_info_of(header: RunHeader) -> WeightsInfo:
    data = DataSummary("fashion-mnist", "here", "f" * 64, (1, 28, 28), tuple("abcdefghij"), {"train": 10}, {})
    return WeightsInfo("weights/1", header.spec, data, (0.3,), (0.4,))


def show_network(mirror: Mirror, record: NetworkRecord, figures: Sequence[Path] = ()) -> None:
    """Give a network's record to the mirror, as the stage `reproduce` does."""
    mirror.parent("run", record.name, network_summary(record, "fashion-mnist", figures, "smoke"))


def network_record(name: str = "resnet18", seeds: int = 2, runs: Sequence[str] = ()) -> NetworkRecord:
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
        runs=tuple(SeedRun(run, 0, "complete", None, HISTORY, 8.5, None) for run in runs),
        validation_error_percent=Interval(9.0, (8.0, 10.0), seeds),
        test_error_percent=Interval(8.5, None, seeds),
        train_seconds=None,
        flags=("at chance level",),
    )


def group_record(*networks: NetworkRecord) -> GroupRecord:
    data = DataSummary("fashion-mnist", "here", "f" * 64, (1, 28, 28), ("a", "b"), {"train": 10}, {})
    return GroupRecord("group/1", "run", "smoke", data, networks)


def refuse(warning: str) -> None:
    raise AssertionError(warning)


@functools.cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        Mirror.open(Path(folder), refuse).close()
        return (Path(folder) / "mlflow.db").read_bytes()


def empty_store(folder: Path) -> Path:
    """A store without runs in `folder`; made once and copied, since MLflow takes a second and more to make one."""
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(_empty_database())
    return folder


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


SEED_0 = ("run", "resnet18", "resnet18, seed 0")
PARENT = ("run", "resnet18", "resnet18")


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
        show_network(mirror, record_of(runs))


def record_of(runs: RunStore) -> NetworkRecord:
    return network_record(runs=[run.run for run in runs])
