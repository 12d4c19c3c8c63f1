"""MLflow's store of one workspace: SQLite in `mlflow.db`, files in `artifacts/`, opened safely and written in batches.

Built around what MLflow 3.17 does:
- processes that open a fresh store at once fail: it is created once, under a file lock, beside its place and moved in;
- a store that cannot be opened is tried for 100 s: it is probed first;
- artifact paths are stored absolute: those of a workspace that was moved are corrected when it is opened;
- SQLAlchemy decodes `%` and splits at `?` in the path of a database: such folders are refused;
- telemetry is on by default, and database errors are logged with a traceback: both are silenced.
MLflow takes 1.4 s to import, so it is imported when a store is opened.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from filelock import FileLock

from pipeline.errors import StorageError
from pipeline.tracking.content import (
    EXPERIMENT_PREFIX,
    KEY,
    PARENT_ID,
    Entry,
    Point,
    Status,
    experiment_name,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_LOCK_SECONDS = 60.0
_BATCH_METRICS, _BATCH_PARAMS, _PAGE_RUNS = 800, 100, 1000
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
"""The columns of MLflow's database that hold absolute places of files."""


def database_file(folder: Path) -> Path:
    """MLflow's database under the workspace's MLflow folder."""
    return folder.absolute() / "mlflow.db"


def database_uri(folder: Path) -> str:
    """The absolute URI of the database; raises StorageError for a path that such a URI cannot hold."""
    path = database_file(folder)
    if set("%?") & set(str(path)):
        raise StorageError(f"{path}: MLflow cannot keep a database under a path that holds '%' or '?'")
    return f"sqlite:///{path}"


def artifacts_uri(folder: Path) -> str:
    """Where the files of new experiments go."""
    return (folder.absolute() / "artifacts").as_uri()


def former_places(connection: sqlite3.Connection, artifacts: str) -> list[str]:
    """Where the store's files lay before the workspace was moved to where `artifacts` is; empty when it was not."""
    places = connection.execute(
        "SELECT rtrim(artifact_location, '0') FROM experiments WHERE experiment_id = 0 "
        "UNION SELECT artifact_location FROM experiments WHERE name LIKE ?",
        (f"{EXPERIMENT_PREFIX}%",),
    )
    return sorted({place.rstrip("/") for (place,) in places} - {artifacts})


def tracking_errors() -> tuple[type[Exception], ...]:
    """What MLflow raises when its store fails; to be called after the store was opened, or failed to open."""
    from alembic.util.exc import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error, OSError)


def open_store(folder: Path) -> "MlflowStore":
    """The store under `folder`, created if absent; raises StorageError naming the database when that fails."""
    uri, database = database_uri(folder), database_file(folder)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise StorageError("MLflow is not installed") from error

    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(database.with_suffix(".lock"), timeout=_LOCK_SECONDS)
        with lock:
            if not database.exists():
                _create(database, artifacts_uri(folder))
            _probe(database, artifacts_uri(folder))
            _forget_connections(uri, artifacts_uri(folder))
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    except tracking_errors() as error:
        raise StorageError(f"cannot use MLflow's database {database}: {reason(error)}") from error
    return MlflowStore(client, lock, artifacts_uri(folder))


def reason(error: Exception) -> str:
    """What went wrong, in one line: the cause at the bottom, which MLflow and SQLAlchemy wrap in pages of their own."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def _create(database: Path, artifacts: str) -> None:
    """A whole database or none: made beside its place, then moved in."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unfinished = database.with_suffix(".new")
    for path in (unfinished, unfinished.with_name(f"{unfinished.name}-journal")):
        path.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"sqlite:///{unfinished}", artifacts)  # type: ignore[no-untyped-call]
    store.engine.dispose()
    unfinished.replace(database)


def _forget_connections(uri: str, artifacts: str) -> None:
    """Have this process connect again: MLflow keeps its connections, and they may be to a file that was deleted since.

    What is read there is of the past, and what is written is refused ("attempt to write a readonly database").
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, artifacts).engine.dispose()  # type: ignore[no-untyped-call]


def _probe(database: Path, artifacts: str) -> None:
    """Find out whether the database can be written, and correct the places of files if the workspace was moved."""
    with closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("SELECT name FROM sqlite_master WHERE name = 'experiments'").fetchall():
            raise StorageError(f"{database} is no database of MLflow's; move it away")
        for place in former_places(connection, artifacts):
            for table, column in _LOCATIONS:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 (names from _LOCATIONS)
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (artifacts, len(place) + 1, place, len(place) + 1, f"{place}/"),
                )
        connection.execute("COMMIT")


@dataclass
class MlflowStore:
    """An open store; one writer a process, not for use by several threads."""

    client: "MlflowClient"
    lock: FileLock
    artifacts: str
    _experiments: dict[str, str] = field(default_factory=dict)

    def experiment(self, experiment: str) -> str:
        """The id of a stage's experiment, created when absent, restored when it was deleted."""
        name = experiment_name(experiment)
        if name not in self._experiments:
            with self.lock:
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    self._experiments[name] = self.client.create_experiment(name, artifact_location=self.artifacts)
                else:
                    if found.lifecycle_stage == "deleted":
                        self.client.restore_experiment(found.experiment_id)
                    self._experiments[name] = found.experiment_id
        return self._experiments[name]

    def experiments(self) -> list[str]:
        """The ids of all experiments of convstudy, of this or earlier sessions."""
        token: str | None = None
        found: list[str] = []
        while token != "":
            page = self.client.search_experiments(filter_string=f"name LIKE '{EXPERIMENT_PREFIX}%'", page_token=token)
            found += [experiment.experiment_id for experiment in page]
            token = page.token or ""
        return found

    def runs(self, experiment_id: str, where: str = "") -> "Iterator[Run]":
        """All runs of an experiment that satisfy a filter, oldest first."""
        token: str | None = None
        while token != "":
            page = self.client.search_runs(
                [experiment_id], where, max_results=_PAGE_RUNS, order_by=["attributes.start_time ASC"], page_token=token
            )
            yield from page
            token = page.token or ""

    def children(self, experiment_id: str, parent_id: str) -> "list[Run]":
        """The child runs of a network."""
        return list(self.runs(experiment_id, f"tags.`{PARENT_ID}` = '{parent_id}'"))

    def find(self, entry: Entry) -> "Run | None":
        """The run of an entry, if MLflow has it; keys are hexadecimal, so that no name enters the filter."""
        return next(self.runs(self.experiment(entry.experiment), f"tags.`{KEY}` = '{entry.key}'"), None)

    def create(self, entry: Entry, parent_id: str | None, start_ms: int) -> "Run":
        """A new, running run for an entry; to be called under the lock, once `find` has found none."""
        tags = {**entry.tags, **({PARENT_ID: parent_id} if parent_id else {})}
        experiment_id = self.experiment(entry.experiment)
        return self.client.create_run(experiment_id, start_time=start_ms, tags=tags, run_name=entry.name)

    def log(
        self,
        run_id: str,
        points: Iterable[Point] = (),
        at: Callable[[int], int] = lambda step: 0,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write metric points (dated by `at(step)`, milliseconds), parameters and tags in as few batches as allowed."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = (Metric(point.key, point.value, at(point.step), point.step) for point in points)
        parameters = (Param(key, text) for key, text in (params or {}).items())
        labels = [RunTag(key, text) for key, text in (tags or {}).items()]
        while True:
            values, settings = list(islice(metrics, _BATCH_METRICS)), list(islice(parameters, _BATCH_PARAMS))
            if not (values or settings or labels):
                return
            self.client.log_batch(run_id, metrics=values, params=settings, tags=labels)
            labels = []

    def log_data(self, run_id: str, name: str, fingerprint: str) -> None:
        """Name the data a run is trained on, as MLflow's dataset input (its digests hold 36 characters)."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset(name, fingerprint[:36], source_type="convstudy", source=fingerprint)
        self.client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])

    def holds(self, run: "Run", *parts: str) -> bool:
        """Whether the artifact of that path lies where MLflow looks for it."""
        return Path(url2pathname(urlsplit(run.info.artifact_uri).path), *parts).is_file()

    def reopen(self, run_id: str) -> None:
        """Set an ended run running again."""
        self.client.update_run(run_id, status="RUNNING")

    def delete(self, run: "Run") -> None:
        """Move a run to MLflow's trash, where none is RUNNING either."""
        if run.info.status == "RUNNING":
            self.client.set_terminated(run.info.run_id, status="KILLED")
        self.client.delete_run(run.info.run_id)

    def end(self, run_id: str, status: Status, end_ms: int) -> None:
        """Set a run's final status."""
        self.client.set_terminated(run_id, status=status, end_time=end_ms)
