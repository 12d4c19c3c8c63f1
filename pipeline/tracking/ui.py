"""`convstudy ui`: MLflow's own pages over the workspace's store, opened where the study's runs are listed.

MLflow's default accepts any Host that looks like a private address ("10.evil.com" does), so that a web page could reach
the server by DNS rebinding. Here only named hosts are accepted. "localhost" and 127.0.0.1 are accepted on any port, so
that an ssh tunnel works; no foreign page has such a name. State-changing requests from foreign origins get 403. The
job runner, artifact proxy and telemetry of MLflow stay off.
"""

import os
import re
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from pipeline.errors import StorageError, UsageError
from pipeline.tracking.experiments import runs_page
from pipeline.tracking.location import artifacts_uri, database_uri, server_uri, shown
from pipeline.tracking.store import open_store, reason, tracking_errors

_OWN_NAMES = ("127.0.0.1", "localhost")
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 (compared with, not bound to)


def read_hosts(text: str) -> tuple[str, ...]:
    """Names of hosts, as in "study.example.org,10.1.2.3:8080"; raises UsageError for what is no name of a host."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9.\-]+(:\d+)?", name):
            raise UsageError(f"--allowed-hosts: {name!r} is not a host such as study.example.org or 10.1.2.3:8080")
    return names


def ui_command(folder: Path, host: str = "127.0.0.1", port: int = 5000, hosts: Sequence[str] = ()) -> list[str]:
    """The command line that serves MLflow's pages over the store in `folder`.

    Args:
        folder: MLflow's folder in the workspace.
        host: the address to listen on.
        port: the port to listen on.
        hosts: further names by which browsers may address the server, each with or without a port.

    Raises:
        UsageError: the server would listen on all addresses, and `hosts` names none.
        StorageError: MLflow cannot use the path of the store.
    """
    if host in _EVERY_ADDRESS and not hosts:
        raise UsageError(f"--host {host} needs --allowed-hosts: the names by which browsers address this machine")
    others = [*hosts, *([] if host in (*_OWN_NAMES, *_EVERY_ADDRESS) else [f"{host}:{port}"])]
    accepted = [pattern for name in _OWN_NAMES for pattern in (name, f"{name}:*")]
    accepted += [pattern for name in others for pattern in ((name,) if ":" in name else (name, f"{name}:{port}"))]
    origins = [f"http://{name}:{port}" for name in _OWN_NAMES]
    origins += [f"{scheme}://{name}" for name in accepted[2 * len(_OWN_NAMES) :] for scheme in ("http", "https")]
    return [
        *(sys.executable, "-m", "pipeline.tracking.ui_server", "server"),
        *("--backend-store-uri", database_uri(folder)),
        *("--default-artifact-root", artifacts_uri(folder)),
        "--no-serve-artifacts",
        *("--host", host),
        *("--port", str(port)),
        *("--workers", "1"),
        *("--allowed-hosts", ",".join(accepted)),
        *("--cors-allowed-origins", ",".join(origins)),
    ]


def ui_environment(page: str = "") -> dict[str, str]:
    """This process's environment, with MLflow's telemetry and job runner off; `page` is opened in a browser."""
    off = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return {**os.environ, **off, "CONVSTUDY_OPEN_PAGE": page}


def serve_ui(
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 5000,
    hosts: Sequence[str] = (),
    on_ready: Callable[[str], object] = lambda page: None,
    open_browser: bool = False,
) -> NoReturn:
    """Become the MLflow server, over an empty store if there is none.

    Args:
        folder: MLflow's folder in the workspace.
        host, port, hosts: as for `ui_command`.
        on_ready: is called with the address of the page that lists the runs, once the port is known to be free.
        open_browser: whether to open that page in a browser, where there is one.

    Raises:
        UsageError: the port is taken, or the address is not one of this machine.
        StorageError: the store cannot be made.
    """
    command = ui_command(folder, host, port, hosts)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(f"cannot serve on {host}:{port}: {error.strerror}; choose another with --port") from error
    page = f"http://{'127.0.0.1' if host in _EVERY_ADDRESS else host}:{port}{first_page(folder)}"
    on_ready(page)
    sys.stdout.flush()
    try:
        os.execve(command[0], command, ui_environment(page if open_browser else ""))  # noqa: S606 (a list, no shell)
    except OSError as error:
        raise StorageError(f"cannot start {command[0]}: {error.strerror}") from error


def first_page(folder: Path) -> str:
    """The page that lists the latest runs, relative to the server; raises StorageError if the store cannot be opened.

    Experiments that earlier versions made get their names and descriptions of today.
    """
    store = open_store(folder)
    try:
        store.bring_up_to_date()
        latest = store.latest_experiment()
    except tracking_errors() as error:
        raise StorageError(f"cannot read MLflow's store {store.uri}: {reason(error)}") from error
    return runs_page(latest)


def has_browser() -> bool:
    """Whether this is a terminal of a machine with a screen, so that a page can be opened."""
    return sys.stdout.isatty() and (
        sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    )


def answered(host: str, port: int, hosts: Sequence[str]) -> str:
    """A sentence that says which addresses are answered, and whether runs go elsewhere."""
    names = [*hosts, *([] if host in (*_OWN_NAMES, *_EVERY_ADDRESS) else [f"{host}:{port}"])]
    more = f", and to {', '.join(names)}" if names else ""
    line = f"answers to 127.0.0.1 and localhost on any port, as through an ssh tunnel{more}; Ctrl-C ends it"
    server = server_uri()
    return line if server is None else f"{line}; new runs go to {shown(server)}"
