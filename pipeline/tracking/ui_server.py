"""`python -m pipeline.tracking.ui_server server …` is `mlflow server …` whose web server ends with it.

MLflow starts the web server as a child and only forwards SIGINT and SIGTERM to it: `kill -9` would leave it running,
and the port taken.
"""

from functools import partial

import mlflow.server
from mlflow.cli import cli

from pipeline.process import die_with_parent


def main() -> None:
    """Call MLflow's command line with the arguments of this process."""
    started = partial(mlflow.server._exec_cmd, preexec_fn=die_with_parent)  # type: ignore[attr-defined]
    mlflow.server._exec_cmd = started  # type: ignore[attr-defined]
    cli()


if __name__ == "__main__":
    main()
