"""A Runner for this workspace: its store, workers, mirror and display put together."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.data.manifest import Manifest
from pipeline.evidence.store import RunStore
from pipeline.evidence.tracking import Mirror, code_commit
from pipeline.machine import DeviceKind
from pipeline.process import only_one
from pipeline.search.display import Shows
from pipeline.search.executors import ProcessExecutor
from pipeline.search.runner import RETRIES, STALL_SECONDS, Runner
from pipeline.workspace import Workspace

PATIENCE_SECONDS = 5.0
"""How long a driver waits for one that is about to end."""


@contextmanager
def open_runner(
    place: Workspace,
    manifest: Manifest,
    device: DeviceKind,
    display: Shows,
    workers: int | None = None,
    keep_weights: bool = False,
    checkpoint_seconds: float = 30.0,
    data_folder: Path | None = None,
    mirrored: bool = True,
    retries: int = RETRIES,
    stall_seconds: float = STALL_SECONDS,
) -> Iterator[Runner]:
    """Workers on this machine (as many as cores on CPU), MLflow's mirror, and the workspace's run store.

    `data_folder` is where the data lie if not in the workspace; not `mirrored`, MLflow is left alone. Raises
    StorageError, naming its process, while another driver works in the workspace: headers, MLflow and workers have one
    master at a time.
    """
    with only_one("driver", place.locks, PATIENCE_SECONDS):
        runner = Runner(
            store=RunStore(place.runs),
            data_folder=data_folder or place.prepared_data / manifest.name,
            manifest=manifest,
            executor=ProcessExecutor(device, workers),
            open_mirror=lambda: _open_mirror(place, display) if mirrored else Mirror.off(place.mlflow),
            display=display,
            keep_weights=keep_weights,
            checkpoint_seconds=checkpoint_seconds,
            retries=retries,
            stall_seconds=stall_seconds,
        )
        with runner:
            yield runner


def _open_mirror(place: Workspace, display: Shows) -> Mirror:
    return Mirror.open(place.mlflow, display.line, code_commit(Path(__file__).parent))
