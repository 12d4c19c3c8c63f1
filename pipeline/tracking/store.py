"""Opens MLflow's store: SQLite in `mlflow.db` and files in `artifacts/` of a workspace, or the server of the user.

Built around what MLflow 3.17 does:
- processes that open a fresh store at once fail: it is created once, under a file lock, and moved to its place whole;
- it retries for 100 s to open a store that cannot be opened: the store is probed first;
- artifact paths are stored absolute: when the workspace was moved, they are corrected as the store is opened;
- SQLAlchemy decodes `%` and splits at `?` in the path of a database: such folders are refused;
- it retries requests to a server for many minutes: timeouts and retries are set, unless the user has set them;
- telemetry is on by default, and database errors are logged with a traceback: both are switched off.
MLflow takes 1.4 s to import, so it is imported when a store is opened.
"""

import logging
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from filelock import FileLock

from pipeline.errors import StorageError
from pipeline.tracking.client import MlflowStore
from pipeline.tracking.location import (
    PREFIX,
    SERVER_DEFAULTS,
    artifacts_uri,
    database_file,
    database_uri,
    server_prefix,
    shown,
)

_LOCK_SECONDS = 60.0
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
"""Columns of MLflow's database that hold absolute paths of files."""


def former_places(connection: sqlite3.Connection, artifacts: str) -> list[str]:
    """Where the store's files were before the workspace was moved to `artifacts`; empty if it was not moved."""
    places = connection.execute(
        "SELECT rtrim(artifact_location, '0') FROM experiments WHERE experiment_id = 0 "
        "UNION SELECT artifact_location FROM experiments WHERE name LIKE ?",
        (f"{PREFIX}/%",),
    )
    return sorted({place.rstrip("/") for (place,) in places} - {artifacts})


def tracking_errors() -> tuple[type[Exception], ...]:
    """What MLflow raises when its store fails. Call it after the store was opened, or failed to open."""
    from alembic.util.exc import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error, OSError)


def open_store(folder: Path) -> MlflowStore:
    """The store in `folder`, created if absent; raises StorageError naming the database when that fails."""
    uri, database = database_uri(folder), database_file(folder)
    _load_mlflow()
    from mlflow import MlflowClient

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
    return MlflowStore(client, lock, uri, artifacts_uri(folder))


def open_server(folder: Path, uri: str) -> MlflowStore:
    """The store of an MLflow server; `folder` holds the lock of this workspace's drivers.

    Raises StorageError when the server cannot be reached.
    """
    for name, value in SERVER_DEFAULTS.items():
        os.environ.setdefault(name, value)
    _load_mlflow()
    from mlflow import MlflowClient

    try:
        folder.mkdir(parents=True, exist_ok=True)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    except tracking_errors() as error:
        raise StorageError(f"cannot use the MLflow server {shown(uri)}: {reason(error)}") from error
    lock = FileLock(folder / "server.lock", timeout=_LOCK_SECONDS)
    return MlflowStore(client, lock, uri, None, server_prefix())


def _load_mlflow() -> None:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    try:
        import mlflow  # noqa: F401
    except ImportError as error:
        raise StorageError("MLflow is not installed") from error
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)


def reason(error: Exception) -> str:
    """What went wrong, in one line: the innermost cause, without passwords in addresses."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    line = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    return re.sub(r"://[^/@\s]+@", "://", line)


def _create(database: Path, artifacts: str) -> None:
    """Create a whole database or none: it is made next to its place, then moved in."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unfinished = database.with_suffix(".new")
    for path in (unfinished, unfinished.with_name(f"{unfinished.name}-journal")):
        path.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"sqlite:///{unfinished}", artifacts)  # type: ignore[no-untyped-call]
    store.engine.dispose()
    unfinished.replace(database)


def _forget_connections(uri: str, artifacts: str) -> None:
    """Make this process connect again: MLflow keeps its connections, perhaps to a file that was deleted since.

    Reads from such a file are stale, and writes fail ("attempt to write a readonly database").
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, artifacts).engine.dispose()  # type: ignore[no-untyped-call]


def _probe(database: Path, artifacts: str) -> None:
    """Check that the database can be written, correct file paths if the workspace was moved, and hide an empty Default.

    MLflow makes an experiment Default in each new store, which users would see first.
    """
    with closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("SELECT name FROM sqlite_master WHERE name = 'experiments'").fetchall():
            raise StorageError(f"{database} is not an MLflow database; move it away")
        for place in former_places(connection, artifacts):
            for table, column in _LOCATIONS:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 (names from _LOCATIONS)
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (artifacts, len(place) + 1, place, len(place) + 1, f"{place}/"),
                )
        connection.execute(
            "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE experiment_id = 0 AND name = 'Default' "
            "AND NOT EXISTS (SELECT 1 FROM runs WHERE experiment_id = 0) "
            "AND NOT EXISTS (SELECT 1 FROM trace_info WHERE experiment_id = 0)"
        )
        connection.execute("COMMIT")
