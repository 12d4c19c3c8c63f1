"""`python -m pipeline.tracking.ui_server server …` is `mlflow server …`, whose web server ends with it.

MLflow starts the web server as a child and only forwards SIGINT and SIGTERM to it: `kill -9` would leave the child
running, and the port taken.
"""

import os
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from functools import partial
from urllib.parse import urljoin

import mlflow.server
from mlflow.cli import cli

from pipeline.process import die_with_parent

_PATIENCE_SECONDS = 60


def open_page(page: str) -> None:
    """Open a page in the user's browser as soon as its server answers."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(urljoin(page, "/health"), timeout=5):  # noqa: S310 (our own http address)
                webbrowser.open(page)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)


def main() -> None:
    """Call MLflow's command line with the arguments of this process."""
    started = partial(mlflow.server._exec_cmd, preexec_fn=die_with_parent)  # type: ignore[attr-defined]
    mlflow.server._exec_cmd = started  # type: ignore[attr-defined]
    if page := os.environ.pop("CONVSTUDY_OPEN_PAGE", ""):
        threading.Thread(target=open_page, args=(page,), daemon=True).start()
    cli()


if __name__ == "__main__":
    main()
