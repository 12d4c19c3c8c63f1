"""A Runner for this workspace: its store, workers, mirror and display put together."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.manifest import Manifest
from pipeline.evidence.store import RunStore
from pipeline.machine import DeviceKind
from pipeline.process import locked
from pipeline.running.display import Shows
from pipeline.running.executors import open_executor
from pipeline.running.runner import RETRIES, STALL_SECONDS, Runner
from pipeline.tracking.mirror import Mirror, code_commit
from pipeline.tracking.opening import open_mirror
from pipeline.workspace import Workspace

ALONE = "waiting until no other training runs in this workspace: networks are to be timed alone"
OTHERS = "waiting for a command that times networks in this workspace: nothing else may run meanwhile"


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
    workspace: Workspace,
    manifest: Manifest,
    device: DeviceKind,
    display: Shows,
    options: RunnerOptions,
    alone: bool = False,
) -> Iterator[Runner]:
    """Workers, MLflow's mirror, and the workspace's run store.

    Several processes may train in a workspace at once. One that times networks must be `alone`: it waits for those at
    work, and those that come later wait for it.

    Raises UsageError for an executor that does not exist.
    """
    wait = ALONE if alone else OTHERS
    with locked(workspace.locks / "trainings.lock", shared=not alone, before_waiting=lambda: display.line(wait)):
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
        with runner, closing(display):
            yield runner


def _open_mirror(workspace: Workspace, display: Shows) -> Mirror:
    return open_mirror(workspace.mlflow, display.line, code_commit(Path(__file__).parent))
