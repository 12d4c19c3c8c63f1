"""Opens the mirror where the user wants it: in the workspace, or on the server that MLFLOW_TRACKING_URI names."""

from collections.abc import Callable
from pathlib import Path

from pipeline.tracking.location import server_uri
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.server import ServerMirror


def open_mirror(folder: Path, tell: Callable[[str], object], commit: str | None = None) -> Mirror:
    """The mirror to write to. It never raises because of MLflow.

    Args:
        folder: MLflow's folder in the workspace.
        tell: is called with a line when MLflow cannot be written.
        commit: of the code that trains.
    """
    uri = server_uri()
    return Mirror.open(folder, tell, commit) if uri is None else ServerMirror(folder, uri, tell, commit)
