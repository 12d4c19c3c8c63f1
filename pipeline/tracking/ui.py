"""`convstudy ui`: MLflow's own pages, on loopback, over the workspace's store, for this machine's names only.

MLflow's default accepts any Host that looks like a private address ("10.evil.com" does), which lets a web page reach
the server by DNS rebinding: the hosts are set. State-changing requests from any foreign origin get 403 too; MLflow
itself exempts origins on localhost, whatever their port. Its job runner, artifact proxy and telemetry stay off.
"""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pipeline.errors import StorageError, UsageError
from pipeline.tracking.store import artifacts_uri, database_uri, open_store


def ui_command(folder: Path, host: str = "127.0.0.1", port: int = 5000) -> list[str]:
    """The command line that serves MLflow's pages over the store in `folder`."""
    names = dict.fromkeys((host, "127.0.0.1", "localhost"))
    return [
        *(sys.executable, "-m", "pipeline.tracking.ui_server", "server"),
        *("--backend-store-uri", database_uri(folder)),
        *("--default-artifact-root", artifacts_uri(folder)),
        "--no-serve-artifacts",
        *("--host", host),
        *("--port", str(port)),
        *("--workers", "1"),
        *("--allowed-hosts", ",".join(f"{name}:{port}" for name in names)),
        *("--cors-allowed-origins", ",".join(f"http://{name}:{port}" for name in names)),
    ]


def ui_environment() -> dict[str, str]:
    """This process's environment, with MLflow's telemetry and job runner off."""
    return {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def serve_ui(folder: Path, host: str = "127.0.0.1", port: int = 5000, on_free: Callable[[], object] = int) -> NoReturn:
    """Become the MLflow server, over an empty store if there is none; `on_free` is called once the port is free.

    Raises UsageError when the port is taken, StorageError when the store cannot be made.
    """
    command = ui_command(folder, host, port)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(f"cannot serve on {host}:{port}: {error.strerror}; choose another with --port") from error
    on_free()
    open_store(folder)
    sys.stdout.flush()
    try:
        os.execve(command[0], command, ui_environment())  # noqa: S606 (an argument list, no shell)
    except OSError as error:
        raise StorageError(f"cannot start {command[0]}: {error.strerror}") from error
