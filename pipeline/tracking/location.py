"""Where MLflow's data are: in the workspace, or on the server that MLFLOW_TRACKING_URI names."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import StorageError
from pipeline.workspace import current_workspace

PREFIX = "convstudy"
"""Names of experiments begin with it, and a slash."""
SERVER_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""Settings of MLflow's client for a server: a request gives up after seconds, not after a quarter of an hour."""


def tracking_uri() -> str:
    """The URI to give to `mlflow.set_tracking_uri`, so that MLflow's own functions read this workspace's runs.

    Raises StorageError for a workspace whose path MLflow cannot use.
    """
    return server_uri() or database_uri(current_workspace().mlflow)


def server_uri() -> str | None:
    """The address of the MLflow server to write to; None: the workspace's own store is written."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return uri if urlsplit(uri).scheme in ("http", "https") else None


def server_prefix() -> str:
    """What names of experiments on a server begin with: MLFLOW_EXPERIMENT_NAME, or "convstudy"."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or PREFIX


def shown(uri: str) -> str:
    """A URI without user name and password."""
    return urlsplit(uri)._replace(netloc=urlsplit(uri).netloc.rpartition("@")[2]).geturl()


def database_file(folder: Path) -> Path:
    """MLflow's database in the workspace's MLflow folder."""
    return folder.absolute() / "mlflow.db"


def database_uri(folder: Path) -> str:
    """The absolute URI of the database; raises StorageError for a path that such a URI cannot hold."""
    path = database_file(folder)
    if set("%?") & set(str(path)):
        raise StorageError(f"{path}: MLflow cannot keep a database under a path that holds '%' or '?'")
    return f"sqlite:///{path}"


def artifacts_uri(folder: Path) -> str:
    """Where files of new experiments are stored."""
    return (folder.absolute() / "artifacts").as_uri()
