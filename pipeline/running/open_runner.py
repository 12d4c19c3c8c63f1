"""A Runner for this workspace: its store, workers, mirror and display put together."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.manifest import Manifest
from pipeline.evidence.store import RunStore
from pipeline.machine import DeviceKind
from pipeline.process import only_one
from pipeline.running.display import Shows
from pipeline.running.executors import open_executor
from pipeline.running.runner import RETRIES, STALL_SECONDS, Runner
from pipeline.tracking.mirror import Mirror, code_commit
from pipeline.workspace import Workspace

PATIENCE_SECONDS = 5.0
"""How long a driver waits for one that is about to end."""


@dataclass(frozen=True)
class RunnerOptions:
    """How runs are carried out; what comes of them is the same.

    Attributes:
        workers: how many at once; none: as many as cores on CPU, as cards on CUDA.
        data_folder: where the data lie; none: in the workspace.
        keep_weights: whether weights stay in the run store.
        checkpoint_seconds: how often a training writes a checkpoint.
        retries, stall_seconds: as the runner's RETRIES and STALL_SECONDS.
        mirrored: whether MLflow is written.
        executor: where trainings run, by its name in EXECUTORS.
    """

    workers: int | None = None
    data_folder: Path | None = None
    keep_weights: bool = False
    checkpoint_seconds: float = 30.0
    retries: int = RETRIES
    stall_seconds: float = STALL_SECONDS
    mirrored: bool = True
    executor: str = "processes"


@contextmanager
def open_runner(
    workspace: Workspace, manifest: Manifest, device: DeviceKind, display: Shows, options: RunnerOptions
) -> Iterator[Runner]:
    """Workers, MLflow's mirror, and the workspace's run store.

    Raises UsageError for an executor that does not exist, and StorageError, naming its process, while another driver
    works in the workspace: headers, MLflow and workers have one master at a time.
    """
    with only_one("driver", workspace.locks, PATIENCE_SECONDS):
        runner = Runner(
            store=RunStore(workspace.runs),
            data_folder=options.data_folder or workspace.prepared_data / manifest.name,
            manifest=manifest,
            executor=open_executor(options.executor, device, options.workers),
            open_mirror=lambda: _open_mirror(workspace, display) if options.mirrored else Mirror.off(workspace.mlflow),
            display=display,
            keep_weights=options.keep_weights,
            checkpoint_seconds=options.checkpoint_seconds,
            retries=options.retries,
            stall_seconds=options.stall_seconds,
        )
        with runner:
            yield runner


def _open_mirror(workspace: Workspace, display: Shows) -> Mirror:
    return Mirror.open(workspace.mlflow, display.line, code_commit(Path(__file__).parent))
